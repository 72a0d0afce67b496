"""P8: `status` names what keeps an old generation in use, `leaks` what keeps an old module.

A holder is named by its kind and its place, a unit of work by its name and its thread.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import threading
import typing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from support.threads import Worker, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LiveTree

SHOP = """
    import asyncio
    class Tea:
        def cups(self): return 1
    def pour(): return Tea()
    def fail(): raise ValueError("cold")
    def steps():
        yield 1
        yield 2
    async def brew(gate): await gate.wait()
    def stand(begun, go):
        begun.set()
        go.wait(20)
    """


class Kettle:
    """A foreign class that code is hung upon."""

    callback: Any = None


@functools.lru_cache
def remembered(made: Any) -> Any:
    return made


KEPT: list[Any] = []


def _closure(shop: Any) -> Callable[[], None]:
    pour = shop.pour

    def serve() -> Any:
        return pour

    KEPT.append(serve)
    return KEPT.clear


def _cache(shop: Any) -> Callable[[], None]:
    remembered(shop.Tea)
    return remembered.cache_clear


def _thread(shop: Any) -> Callable[[], None]:
    begun, go = threading.Event(), threading.Event()
    thread = threading.Thread(target=shop.stand, args=(begun, go), name="kettle-1", daemon=True)
    thread.start()
    wait(begun)

    def end() -> None:
        go.set()
        thread.join(CAP)

    return end


def _task(shop: Any) -> Callable[[], None]:
    loop = asyncio.new_event_loop()
    gate = asyncio.Event()
    task = loop.create_task(shop.brew(gate), name="brewing")
    loop.run_until_complete(asyncio.sleep(0))

    def end() -> None:
        gate.set()
        loop.run_until_complete(task)
        loop.close()

    return end


def _exception(shop: Any) -> Callable[[], None]:
    try:
        shop.fail()
    except ValueError as error:
        KEPT.append(error)
    return KEPT.clear


def _partial(shop: Any) -> Callable[[], None]:
    KEPT.append(functools.partial(shop.pour))
    return KEPT.clear


def _attribute(shop: Any) -> Callable[[], None]:
    Kettle.callback = shop.pour

    def end() -> None:
        Kettle.callback = None

    return end


def _alias(shop: Any) -> Callable[[], None]:
    KEPT.append(typing.Optional[shop.Tea])  # noqa: UP045 - it is the form that is kept
    return KEPT.clear


def _generator(shop: Any) -> Callable[[], None]:
    steps = shop.steps()
    next(steps)
    KEPT.append(steps)
    return KEPT.clear


PATH = __name__
GLOBAL = f"the global `KEPT` of {PATH}"
# A function that keeps something and returns what lets it go; how it is held; what keeps it.
HOLDERS: dict[str, tuple[Callable[[Any], Callable[[], None]], str, str]] = {
    "a closure": (_closure, f"the function {PATH}._closure.<locals>.serve in a list", GLOBAL),
    "lru_cache": (_cache, "", f"the cache of {PATH}.remembered"),
    "a thread": (_thread, "", "in stand, thread 'kettle-1'"),
    "a task": (_task, "a coroutine brew", "the task 'brewing'"),
    "an exception": (_exception, "the traceback of a ValueError", GLOBAL),
    "a partial": (_partial, "a functools.partial in a list", GLOBAL),
    "a class's attribute": (_attribute, "", f"the class {PATH}.Kettle, under 'callback'"),
    "an alias of typing": (_alias, "a list", GLOBAL),
    "a generator": (_generator, "a generator steps in a list", GLOBAL),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_p8_a_holder_is_told_by_kind_and_place(tree: LiveTree, kind: str) -> None:
    hold, through, what = HOLDERS[kind]
    tree.write({"shop.py": SHOP})
    tree.install(policy="fresh", keep=0)
    end = hold(tree.module("shop"))
    try:
        tree.published({"shop.py": SHOP + "# 2\n"})
        gc.collect()
        found = transfuse.leaks()
        told = [cause for cause in found.causes if what in cause.what and through in cause.through]
        assert [cause.modules for cause in told] == [(("shop", 1),)], found
        assert (found.former, found.unexplained, found.complete) == (1, (), True)
        # Neither what the search makes nor garbage is a holder.
        assert all(cause.is_named for cause in found.causes), found
    finally:
        end()
    gc.collect()
    assert transfuse.status().lingering == 0


def test_p8_a_cache_of_typing_has_a_name(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such caches are emptied; here they are not, as if Transfuse did not know one of them."""
    monkeypatch.setattr("transfuse.memory.typing_caches.purge", lambda _: None)
    source = SHOP + "import typing\n    CUP = typing.Optional[Tea]\n"
    tree.write({"shop.py": source})
    tree.install(policy="fresh", keep=0)
    tree.module("shop")
    tree.published({"shop.py": "N = 2\n"})
    gc.collect()
    causes = transfuse.leaks().causes
    assert any(each.what.startswith("the cache of typing.") for each in causes), causes
    monkeypatch.undo()
    tree.published({"shop.py": "N = 3\n"})
    gc.collect()
    assert transfuse.status().lingering == 0


def _on_object(shop: Any) -> Any:
    return SimpleNamespace(callback=shop.pour)


def _in_generator(shop: Any) -> Any:
    steps = shop.steps()
    next(steps)
    return [steps]


def _under_key(shop: Any) -> Any:
    return {"tea": shop.pour()}


WAYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an attribute": (_on_object, "a dict, under 'callback'"),
    "a generator": (_in_generator, "a generator steps"),
    "a value of a dict": (_under_key, "a dict, under 'tea'"),
}


@pytest.mark.parametrize("way", WAYS)
def test_p8_what_a_local_variable_keeps_is_told_by_its_kind(tree: LiveTree, way: str) -> None:
    keep, words = WAYS[way]
    tree.write({"shop.py": SHOP})
    tree.install(policy="fresh", keep=0)
    held = keep(tree.module("shop"))
    assert transfuse.status().lingering == 0
    tree.published({"shop.py": SHOP + "# 2\n"})
    gc.collect()
    (cause,) = transfuse.leaks().causes
    assert (cause.what, cause.modules, cause.is_named) == (words, (("shop", 1),), False)
    del held
    gc.collect()
    assert transfuse.leaks().former == 0


def test_p8_a_unit_of_work_that_does_not_end_is_named(tree: LiveTree) -> None:
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


def test_p8_a_request_is_named_by_its_path(tree: LiveTree) -> None:
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
