"""P8: who keeps an old generation in use, or an old module in memory, has a name in `status`."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from crew import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Tree

SHOP = """\
class Tea:
    def cups(self): return 1
def pour(): return Tea()
def steps(): yield Tea
"""
KEPT: list[Any] = []


def _list(shop: Any) -> Any:
    KEPT.append(shop.pour)
    return KEPT


def _attribute(shop: Any) -> Any:
    return SimpleNamespace(callback=shop.pour)


def _generator(shop: Any) -> Any:
    steps = shop.steps()
    next(steps)
    return [steps]


def _object(shop: Any) -> Any:
    return {"tea": shop.pour()}


WAYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a list": (_list, "a list, the global KEPT of test_p8_who_holds"),
    "an attribute": (_attribute, "SimpleNamespace"),
    "a generator": (_generator, "a generator"),
    "a value of a dict": (_object, "a dict, under 'tea'"),
}


@pytest.mark.parametrize("way", WAYS)
def test_p8_what_is_still_in_memory_is_told_with_its_holder(tree: Tree, way: str) -> None:
    keep, words = WAYS[way]
    tree.write({"shop.py": SHOP})
    tree.install(policy="fresh", keep=0)
    held = keep(tree.module("shop"))
    assert transfuse.status().lingering == ()
    tree.published({"shop.py": SHOP + "# 2\n"})
    (found,) = transfuse.status().lingering
    assert found.name == "shop"
    assert any(words in holder for holder in found.holders), found
    del held
    KEPT.clear()
    assert transfuse.status().lingering == ()


def test_p8_a_unit_of_work_that_does_not_end_is_named(tree: Tree) -> None:
    begun, go = threading.Event(), threading.Event()
    tree.write({"shop.py": SHOP})
    tree.install()
    tree.module("shop")

    def work() -> None:
        with transfuse.pin("job 17"):
            threading.current_thread().name = "nightly"
            begun.set()
            go.wait(CAP)

    worker = Worker(work)
    assert begun.wait(CAP)
    assert transfuse.status().units == ()
    tree.published({"shop.py": SHOP + "# 2\n"})
    (unit,) = transfuse.status().units
    assert (unit.generation, unit.what, unit.thread) == (1, "job 17", "nightly")
    assert " in wait" in unit.where
    assert unit.seconds > 0
    go.set()
    worker.result()
    assert transfuse.status().units == ()


def test_p8_a_request_is_named_by_its_path(tree: Tree) -> None:
    tree.write(
        {
            "web.py": "def app(environ, start):\n    start('200 OK', [])\n"
            "    def body():\n        yield b'1'\n        yield b'2'\n    return body()\n"
        }
    )
    tree.install()
    body = iter(
        transfuse.wsgi("web:app")(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/slow"}, lambda *_: lambda _: None
        )
    )
    assert next(body) == b"1"
    tree.published({"web.py": "def app(environ, start): return []\n"})
    (unit,) = transfuse.status().units
    assert unit.what == "GET /slow"
    assert list(body) == [b"2"]
    body.close()  # type: ignore[attr-defined]
    assert transfuse.status().units == ()
    assert "web" in sys.modules
