"""A thread that goes on for ever runs new code if it asks for it by `transfuse.live`."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from support.threads import Worker, wait

if TYPE_CHECKING:
    from conftest import LiveTree

JOBS = """
    from shop.prices import price

    def tick(say):
        say(price())

    def loop(say, ticks):
        while ticks.get(timeout=20):
            say(price())

    def late(say, go):
        say(price())
        go()
        from shop.prices import price as again
        say(again())
    """


def shop(tree: LiveTree) -> None:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/prices.py": "def price(): return 1",
            "shop/jobs.py": JOBS,
        }
    )
    tree.install()


def raise_price(tree: LiveTree, price: int) -> None:
    tree.published({"shop/prices.py": f"def price(): return {price}"})


def test_a_thread_that_calls_a_live_function_runs_new_code_at_its_next_call(tree: LiveTree) -> None:
    shop(tree)
    said: queue.Queue[int] = queue.Queue()
    ticks: queue.Queue[bool] = queue.Queue()
    tick = transfuse.live("shop.jobs:tick")

    def forever() -> None:
        while ticks.get(timeout=CAP):
            tick(said.put)

    thread = Worker(forever)
    for price in (2, 3, 4):
        raise_price(tree, price)
        ticks.put(True)
        assert said.get(timeout=CAP) == price
    ticks.put(False)
    thread.result()


def test_a_loop_of_old_code_runs_old_code(tree: LiveTree) -> None:
    """It is what `live` is for: a running frame is not moved to new code."""
    shop(tree)
    said: queue.Queue[int] = queue.Queue()
    ticks: queue.Queue[bool] = queue.Queue()
    loop = tree.module("shop.jobs").loop
    thread = Worker(lambda: loop(said.put, ticks))
    raise_price(tree, 2)
    ticks.put(True)
    assert said.get(timeout=CAP) == 1
    ticks.put(False)
    thread.result()


def test_p2_a_call_of_a_live_function_is_one_unit_of_work(tree: LiveTree) -> None:
    shop(tree)
    said: list[int] = []
    reached, go = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        wait(go)

    late = Worker(lambda: transfuse.live("shop.jobs:late")(said.append, pause))
    wait(reached)
    raise_price(tree, 2)
    (unit,) = transfuse.status().units
    assert unit.what == "shop.jobs:late"
    go.set()
    late.result()
    assert said == [1, 1]
    assert transfuse.status().draining == ()


def test_an_executor_and_a_timer_take_a_live_function(tree: LiveTree) -> None:
    shop(tree)
    said: queue.Queue[int] = queue.Queue()
    tick = transfuse.live("shop.jobs:tick")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(tick, said.put).result(CAP)
        raise_price(tree, 2)
        pool.submit(tick, said.put).result(CAP)
    timer = threading.Timer(0, tick, [said.put])
    timer.start()
    assert [said.get(timeout=CAP) for _ in range(3)] == [1, 2, 2]
    timer.join(CAP)


def test_two_calls_in_one_pin_see_one_generation(tree: LiveTree) -> None:
    shop(tree)
    said: list[int] = []
    tick: Any = transfuse.live("shop.jobs:tick")
    with transfuse.pin("job 7"):
        tick(said.append)
        Worker(lambda: raise_price(tree, 2)).result()
        assert [unit.what for unit in transfuse.status().units] == ["job 7"]
        tick(said.append)
    tick(said.append)
    assert said == [1, 1, 2]


SHARED = {
    "shop/__init__.py": "",
    "shop/prices.py": "def price(): return 1",
    # No update runs it: both generations have this module.
    "shop/shared.py": """
        def price():
            from shop.prices import price
            return price()
        """,
    "shop/jobs.py": """
        from shop import prices, shared

        def loop(say, ticks):
            while ticks.get(timeout=20):
                say((prices.price(), shared.price()))
        """,
}


@pytest.mark.parametrize("pinned", [True, False])
def test_p2_a_shared_module_in_a_thread_of_old_code(tree: LiveTree, pinned: bool) -> None:
    tree.write(SHARED)
    tree.install()
    said: queue.Queue[tuple[int, int]] = queue.Queue()
    ticks: queue.Queue[bool] = queue.Queue()
    loop = tree.module("shop.jobs").loop

    def forever() -> None:
        with transfuse.pin() if pinned else contextlib.nullcontext():
            loop(said.put, ticks)

    thread = Worker(forever)
    ticks.put(True)
    assert said.get(timeout=CAP) == (1, 1)
    raise_price(tree, 2)
    ticks.put(True)
    # Without a pin, what both generations share does not tell which of them is meant.
    assert said.get(timeout=CAP) == ((1, 1) if pinned else (1, 2))
    ticks.put(False)
    thread.result()


def test_p2_a_thread_pool_of_a_pinned_request_has_no_pin(tree: LiveTree) -> None:
    tree.write(SHARED)
    tree.install()
    price = tree.module("shop.shared").price
    with ThreadPoolExecutor(1) as pool, transfuse.pin():
        assert pool.submit(price).result(CAP) == 1
        raise_price(tree, 2)
        in_context = contextvars.copy_context().run
        assert price() == 1
        assert pool.submit(price).result(CAP) == 2
        assert pool.submit(in_context, price).result(CAP) == 1


def test_p2_to_thread_takes_the_pin_along(tree: LiveTree) -> None:
    tree.write(SHARED)
    tree.install()
    price = tree.module("shop.shared").price

    async def request() -> list[int]:
        loop = asyncio.get_running_loop()
        with transfuse.pin():
            await asyncio.to_thread(raise_price, tree, 2)
            return [
                await asyncio.to_thread(price),
                await loop.run_in_executor(None, price),
            ]

    assert asyncio.run(request()) == [1, 2]
