"""P5: a file that changes while it is being loaded is not out of date afterwards."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, ran
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import LiveTree

WAIT = "import outside\noutside.half.set()\noutside.go.wait(20)\n"


@pytest.fixture
def half(outside: Any) -> Any:
    outside.half, outside.go = threading.Event(), threading.Event()
    return outside


def _begin(tree: LiveTree, half: Any, name: str) -> Worker[Any]:
    """Load a module in another thread, up to where it waits."""
    worker: Worker[Any] = Worker(lambda: tree.module(name))
    assert half.half.wait(CAP), "it does not run"
    return worker


def test_p5_its_own_source_changes(tree: LiveTree, policy: str, half: Any) -> None:
    tree.write({"slow.py": f"{WAIT}VALUE = 1\n", "web.py": "import slow\nVALUE = slow.VALUE\n"})
    tree.install(policy=policy)
    loading = _begin(tree, half, "web")
    assert ran(tree.published({"slow.py": "VALUE = 2\n"})) == []
    half.go.set()
    assert loading.result().VALUE == 1
    assert (tree.module("slow").VALUE, tree.module("web").VALUE) == (2, 2)
    assert ran(tree.published({"slow.py": "VALUE = 3\n"})) == ["slow", "web"]
    assert tree.module("web").VALUE == 3


def test_p5_what_it_goes_on_to_import_has_changed(tree: LiveTree, policy: str, half: Any) -> None:
    tree.write(
        {
            "conf.py": "VALUE = 1\n",
            "web.py": f"{WAIT}import conf\nVALUE = conf.VALUE\n",
            "top.py": "import web\nVALUE = web.VALUE\n",
        }
    )
    tree.install(policy=policy)
    tree.module("conf")
    loading = _begin(tree, half, "top")
    assert ran(tree.published({"conf.py": "VALUE = 2\n"})) == ["conf"]
    half.go.set()
    # In the generation in which it was begun.
    assert loading.result().VALUE == 1
    assert (tree.module("web").VALUE, tree.module("top").VALUE) == (2, 2)


def test_p1_what_is_not_concerned_is_loaded_once(tree: LiveTree, policy: str, half: Any) -> None:
    source = "half.ran.append(__name__)\n"
    tree.write(
        {
            "other.py": "VALUE = 1\n",
            "pack/__init__.py": f"import outside as half\n{source}from pack import slow, after\n",
            "pack/slow.py": f"import outside as half\n{source}{WAIT}from pack import after\n",
            "pack/after.py": f"import outside as half\n{source}",
        }
    )
    tree.install(policy=policy)
    tree.module("other")
    loading = _begin(tree, half, "pack")
    tree.published({"other.py": "VALUE = 2\n"})
    half.go.set()
    pack = loading.result()
    assert tree.module("pack") is pack
    assert tree.module("pack.after") is pack.after
    assert half.ran == ["pack", "pack.slow", "pack.after"]
    assert transfuse.status().modules == 4


def test_p2_what_is_loaded_while_the_next_generation_is_staged_is_superseded_with_the_rest(
    tree: LiveTree, policy: str, half: Any
) -> None:
    """It is of the old source, so what it goes on to import has to be, too."""
    late = "VALUE = {0}\ndef ask():\n    import leaf\n    return VALUE, leaf.VALUE\n"
    tree.write({"gate.py": "VALUE = 1\n", "late.py": late.format(1), "leaf.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("gate")
    edited = {"gate.py": f"{WAIT}VALUE = 2\n", "late.py": late.format(2), "leaf.py": "VALUE = 2\n"}
    updating = Worker(lambda: tree.published(edited))
    assert half.half.wait(CAP), "the update does not run"
    ask = tree.module("late").ask
    half.go.set()
    updating.result()
    assert ask() == (1, 1)
    assert tree.module("late").ask() == (2, 2)


class Asked(list[str]):
    """A `sys.path` that calls a function while it is being iterated."""

    def __init__(self, entries: list[str], then: Callable[[], object]) -> None:
        super().__init__(entries)
        self.then: Callable[[], object] | None = then

    def __iter__(self) -> Iterator[str]:
        then, self.then = self.then, None
        if then is not None:
            then()
        return super().__iter__()


def test_p5_what_is_loaded_while_it_is_asked_what_has_changed(
    tree: LiveTree, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write({"first.py": "VALUE = 1\n", "second.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("second")
    loaded: list[int] = []

    def load() -> None:
        loaded.append(Worker(lambda: tree.module("first").VALUE).result())

    tree.write({"first.py": "VALUE = 2\n", "second.py": "VALUE = 2\n"})
    monkeypatch.setattr(sys, "path", Asked(sys.path, load))
    assert transfuse.update().outcome == "published"
    assert loaded == [1]
    assert (tree.module("first").VALUE, tree.module("second").VALUE) == (2, 2)


def test_p7_what_only_a_superseded_generation_has_loaded_is_disposed_of_with_it(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    outside.seen = []
    late = "import outside\nV = {0}\ndef __dispose__():\n    outside.seen.append(('gone', V))\n"
    tree.write({"gate.py": "VALUE = 1\n", "late.py": late.format(1)})
    tree.install(policy=policy, keep=0)
    tree.module("gate")
    with transfuse.pin():
        tree.published({"gate.py": "VALUE = 2\n", "late.py": late.format(2)})
        assert tree.module("late").V == 1
        tree.published({"gate.py": "VALUE = 3\n"})
        assert outside.seen == []
    assert tree.module("late").V == 2
    tree.published({"gate.py": "VALUE = 4\n"})
    assert outside.seen == [("gone", 1)]
