"""Live modules, live callables, and values that outlive an update."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree
from transfuse.errors import TargetError

if TYPE_CHECKING:
    import queue


def test_a_module_by_name_and_by_path(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1"})
    tree.install()
    monkeypatch.chdir(tree.root)
    named = transfuse.import_module("shop.prices")
    assert transfuse.import_module(tree.root / "shop" / "prices.py") is named
    assert transfuse.import_module("shop/prices.py") is named
    assert transfuse.import_module(str(Path("shop", "prices.py"))) is named


def test_live_is_the_new_function_at_each_call(tree: LiveTree) -> None:
    tree.write({"jobs.py": "def tick(n, *, more): return n + more"})
    tree.install()
    tick = transfuse.live("jobs:tick")
    assert tick(1, more=1) == 2
    tree.published({"jobs.py": "def tick(n, *, more): return n * more"})
    assert tick(5, more=4) == 20
    assert repr(tick) == "transfuse.live('jobs:tick')"


def test_live_is_the_new_function_in_a_thread_that_is_left_over_from_old_code(
    tree: LiveTree,
) -> None:
    tree.write(
        {
            "jobs.py": "NUMBER = 1\ndef tick(): return NUMBER",
            "loop.py": """
                import jobs, queue, threading, transfuse
                tick = transfuse.live("jobs:tick")
                asked, said = queue.Queue(), queue.Queue()
                def run():
                    for _ in iter(asked.get, None):
                        said.put((tick(), jobs.NUMBER))
                threading.Thread(target=run, daemon=True).start()
                """,
        }
    )
    tree.install()
    loop = tree.module("loop")
    asked: queue.Queue[Any] = loop.asked
    tree.published({"jobs.py": "NUMBER = 2\ndef tick(): return NUMBER"})
    asked.put(1)
    assert loop.said.get(timeout=CAP) == (2, 1)
    asked.put(None)


def test_p2_a_live_call_is_one_unit_of_work(tree: LiveTree) -> None:
    tree.write(
        {
            "jobs.py": """
                import outside_gate
                def tick():
                    from prices import PRICE
                    outside_gate.wait()
                    import prices
                    return PRICE, prices.PRICE
                """,
            "prices.py": "PRICE = 1",
        }
    )
    inside, go = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go.wait(CAP)

    gate: Any = type(threading)("outside_gate")
    gate.wait = wait
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "outside_gate", gate)
        tree.install()
        tick = transfuse.live("jobs:tick")
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(tick()))
        thread.start()
        assert inside.wait(CAP)
        tree.published({"prices.py": "PRICE = 2"})
        go.set()
        thread.join(CAP)
    assert found == [(1, 1)]


def test_p2_a_live_coroutine_holds_its_pin_until_it_is_done(tree: LiveTree) -> None:
    tree.write(
        {
            "jobs.py": """
                import asyncio
                async def tick(go):
                    await go.wait()
                    import prices
                    return prices.PRICE
                """,
            "prices.py": "PRICE = 1",
        }
    )
    tree.install()
    tick = transfuse.live("jobs:tick")

    async def story() -> list[int]:
        go = asyncio.Event()
        old = asyncio.ensure_future(tick(go))
        await asyncio.sleep(0)
        transfuse.import_module("prices")
        await asyncio.to_thread(tree.published, {"prices.py": "PRICE = 2"})
        held = sum(pins for _, pins in transfuse.status().draining)
        go.set()
        return [held, await old, await tick(go), len(transfuse.status().draining)]

    assert asyncio.run(story()) == [1, 1, 2, 0]


def test_live_tells_a_malformed_target_at_once_and_a_missing_one_at_the_call(
    tree: LiveTree,
) -> None:
    tree.write({"jobs.py": ""})
    tree.install()
    with pytest.raises(TargetError):
        transfuse.live("jobs/tick.py")
    missing = transfuse.live("jobs:tick")
    with pytest.raises(TargetError, match="has no 'tick'"):
        missing()


def test_once_is_made_once_for_a_module_and_a_key(tree: LiveTree) -> None:
    source = """
        import transfuse
        model = transfuse.once("model", object)
        other = transfuse.once("other", object)
        VERSION = 1
        """
    tree.write({"a.py": source, "b.py": source})
    tree.install(policy="fresh")
    a, b = tree.module("a"), tree.module("b")
    tree.published({"a.py": source.replace("VERSION = 1", "VERSION = 2")})
    new = tree.module("a")
    assert (new is a, new.VERSION, new.model is a.model) == (False, 2, True)
    assert len({id(each) for each in (a.model, a.other, b.model, b.other)}) == 4


def test_a_pin_holds_the_generation_for_a_block(tree: LiveTree) -> None:
    tree.write({"prices.py": "PRICE = 1"})
    tree.install()
    tree.module("prices")
    with transfuse.pin() as pin:
        tree.published({"prices.py": "PRICE = 2"})
        assert (tree.module("prices").PRICE, pin.generation) == (1, 1)
    assert tree.module("prices").PRICE == 2
