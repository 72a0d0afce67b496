"""P8: of whatever kind the holder of an old module is, `status` tells the kind and the place."""

from __future__ import annotations

import asyncio
import functools
import threading
import typing
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from crew import wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Tree

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


HERE = "test_p8_who_holds_what"
# Who holds: what does so and returns what ends it; the kind of object, and where it lives.
HOLDERS: dict[str, tuple[Callable[[Any], Callable[[], None]], str, str]] = {
    "a closure": (_closure, "the function", f"{HERE}._closure.<locals>.serve"),
    "lru_cache": (_cache, "the cache of", f"{HERE}.remembered"),
    "a thread": (_thread, "a running frame", "in stand, thread 'kettle-1'"),
    "a task": (_task, "a coroutine brew", "the task 'brewing'"),
    "an exception": (_exception, "the traceback of a ValueError", f"the global KEPT of {HERE}"),
    "a partial": (_partial, "a functools.partial", f"the global KEPT of {HERE}"),
    "a class's attribute": (_attribute, "the class", f"{HERE}.Kettle, under 'callback'"),
    "an alias of typing": (_alias, "a list", f"the global KEPT of {HERE}"),
    "a generator": (_generator, "a generator steps", f"the global KEPT of {HERE}"),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_p8_a_holder_is_told_by_kind_and_place(tree: Tree, kind: str) -> None:
    hold, what, where = HOLDERS[kind]
    tree.write({"shop.py": SHOP})
    tree.install(policy="fresh", keep=0)
    end = hold(tree.module("shop"))
    try:
        tree.published({"shop.py": SHOP + "# 2\n"})
        (found,) = transfuse.status().lingering
        assert found.name == "shop"
        assert any(what in each and where in each for each in found.holders), found
        assert "a tuple" not in found.holders  # nobody who was only looking
    finally:
        end()
    assert transfuse.status().lingering == ()


def test_p8_a_cache_of_typing_has_a_name(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is emptied; here it is not, as if Python had one more that nobody knows of."""
    monkeypatch.setattr("transfuse.memory.typing_caches.purge", lambda _: None)
    source = SHOP + "import typing\n    CUP = typing.Optional[Tea]\n"
    tree.write({"shop.py": source})
    tree.install(policy="fresh", keep=0)
    tree.module("shop")
    tree.published({"shop.py": "N = 2\n"})
    (found,) = transfuse.status().lingering
    assert any(each.startswith("the cache of typing.") for each in found.holders), found
    monkeypatch.undo()
    tree.published({"shop.py": "N = 3\n"})
    assert transfuse.status().lingering == ()
