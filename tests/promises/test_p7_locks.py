"""P7: a carried object stays the same object while threads hold it, wait for it or change it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from support.threads import Worker

if TYPE_CHECKING:
    from conftest import LiveTree

SOURCE = """
    import asyncio, socket, sqlite3, threading
    from concurrent.futures import ThreadPoolExecutor
    __preserve__ = ["kept"]
    kept = {kept}
    N = {n}
    def stamp(): return N
    """


def _edit(tree: LiveTree, kept: str, n: int) -> None:
    tree.published({"shop.py": SOURCE.format(kept=kept, n=n)})


def _begin(tree: LiveTree, policy: str, kept: str) -> Any:
    tree.write({"shop.py": SOURCE.format(kept=kept, n=1)})
    tree.install(policy=policy)
    return tree.module("shop").kept


@pytest.mark.parametrize("lock", ["threading.Lock()", "threading.RLock()", "threading.Condition()"])
def test_p7_a_lock_is_held_and_waited_for_over_updates(
    tree: LiveTree, policy: str, lock: str
) -> None:
    kept = _begin(tree, policy, lock)
    held, go = threading.Event(), threading.Event()
    order: list[str] = []

    def old() -> None:
        with transfuse.pin(), tree.module("shop").kept:
            held.set()
            go.wait(CAP)
            order.append(f"old code, {tree.module('shop').stamp()}")

    def new() -> None:
        shop = tree.module("shop")
        with shop.kept:
            order.append(f"new code, {shop.stamp()}")

    first = Worker(old)
    assert held.wait(CAP)
    for n in (2, 3):
        _edit(tree, lock, n)
    assert tree.module("shop").kept is kept
    second = Worker(new)
    assert order == []
    go.set()
    first.result()
    second.result()
    assert order == ["old code, 1", "new code, 3"]


def test_p7_who_waits_at_a_condition_is_woken_by_new_code(tree: LiveTree, policy: str) -> None:
    _begin(tree, policy, "threading.Condition()")
    ready = threading.Event()
    told: list[int] = []

    def wait() -> None:
        with transfuse.pin():
            condition = tree.module("shop").kept
            with condition:
                ready.set()
                assert condition.wait_for(lambda: bool(told), CAP)

    worker = Worker(wait)
    assert ready.wait(CAP)
    _edit(tree, "threading.Condition()", 2)
    condition = tree.module("shop").kept
    with condition:
        told.append(2)
        condition.notify_all()
    worker.result()


def test_p7_who_holds_an_rlock_enters_it_again_after_the_update(
    tree: LiveTree, policy: str
) -> None:
    """By the new module's name for it, and only from the thread that holds it."""
    _begin(tree, policy, "threading.RLock()")
    lock = tree.module("shop").kept
    with lock:
        _edit(tree, "threading.RLock()", 2)
        shop = tree.module("shop")
        assert shop.kept.acquire(blocking=False)
        assert not Worker(lambda: shop.kept.acquire(blocking=False)).result()
        shop.kept.release()
        # It is still held, once.
        assert not Worker(lambda: shop.kept.acquire(blocking=False)).result()
    with pytest.raises(RuntimeError):
        shop.kept.release()

    def once() -> bool:
        taken = shop.kept.acquire(blocking=False)
        shop.kept.release()
        return bool(taken)

    assert Worker(once).result()


@pytest.mark.parametrize("kind", ["asyncio.Event()", "asyncio.Condition()"])
def test_p7_new_code_wakes_tasks_that_wait_in_old_code(
    tree: LiveTree, policy: str, kind: str
) -> None:
    _begin(tree, policy, kind)
    woken: list[int] = []

    async def unit(waits: asyncio.Event) -> None:
        with transfuse.pin():
            kept = tree.module("shop").kept
            if kind == "asyncio.Event()":
                waits.set()
                await kept.wait()
            else:
                async with kept:
                    waits.set()
                    await kept.wait()
            woken.append(tree.module("shop").stamp())

    async def story() -> None:
        waiting = [asyncio.Event() for _ in range(3)]
        tasks = [asyncio.create_task(unit(each)) for each in waiting]
        for each in waiting:
            await asyncio.wait_for(each.wait(), CAP)
        await asyncio.to_thread(_edit, tree, kind, 2)
        assert woken == []
        kept = tree.module("shop").kept
        if kind == "asyncio.Event()":
            kept.set()
        else:
            async with kept:
                kept.notify_all()
        await asyncio.wait_for(asyncio.gather(*tasks), CAP)

    asyncio.run(story())
    assert woken == [1, 1, 1]
    assert tree.module("shop").stamp() == 2


@pytest.mark.parametrize("lock", ["asyncio.Lock()", "asyncio.Semaphore(1)"])
def test_p7_tasks_hold_and_wait_for_one_lock_over_an_update(
    tree: LiveTree, policy: str, lock: str
) -> None:
    _begin(tree, policy, lock)
    order: list[int] = []

    async def unit(held: asyncio.Event, go: asyncio.Event) -> None:
        with transfuse.pin():
            async with tree.module("shop").kept:
                held.set()
                await go.wait()
                order.append(tree.module("shop").stamp())

    async def story() -> None:
        held, go, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(unit(held, go))
        await held.wait()
        await asyncio.to_thread(_edit, tree, lock, 2)
        second = asyncio.create_task(unit(again, go))
        await asyncio.sleep(0)
        assert not again.is_set()
        go.set()
        await asyncio.wait_for(asyncio.gather(first, second), CAP)

    asyncio.run(story())
    assert order == [1, 2]


def test_p7_a_pool_goes_on_with_the_work_it_has(tree: LiveTree, policy: str) -> None:
    pool = _begin(tree, policy, "ThreadPoolExecutor(1)")
    go, at = threading.Event(), threading.Event()

    def work() -> int:
        at.set()
        go.wait(CAP)
        return 1

    with pool:
        first = pool.submit(work)
        assert at.wait(CAP)
        _edit(tree, "ThreadPoolExecutor(1)", 2)
        shop = tree.module("shop")
        assert shop.kept is pool
        second = shop.kept.submit(shop.stamp)
        go.set()
        assert (first.result(CAP), second.result(CAP)) == (1, 2)


def test_p7_a_connection_keeps_its_transaction(tree: LiveTree, policy: str) -> None:
    made = "sqlite3.connect(':memory:', check_same_thread=False)"
    kept = _begin(tree, policy, made)
    kept.execute("create table tea (cups)")
    kept.execute("insert into tea values (3)")
    assert kept.in_transaction
    _edit(tree, made, 2)
    again = tree.module("shop").kept
    assert again.in_transaction
    assert again.execute("select cups from tea").fetchall() == [(3,)]
    again.rollback()
    assert again.execute("select cups from tea").fetchall() == []
    again.close()


def test_p7_a_socket_stays_open(tree: LiveTree, policy: str) -> None:
    ours, theirs = _begin(tree, policy, "socket.socketpair()")
    ours.sendall(b"before")
    _edit(tree, "socket.socketpair()", 2)
    with contextlib.ExitStack() as closing:
        for each in tree.module("shop").kept:
            assert isinstance(closing.enter_context(each), socket.socket)
        tree.module("shop").kept[0].sendall(b" after")
        assert theirs.recv(100) == b"before after"


def test_p7_old_and_new_code_change_one_value_at_once(tree: LiveTree, policy: str) -> None:
    _begin(tree, policy, "{'lock': threading.Lock(), 'count': 0}")
    rounds = 300

    def change(begun: threading.Event) -> None:
        with transfuse.pin():
            kept = tree.module("shop").kept
            begun.set()
            for _ in range(rounds):
                with kept["lock"]:
                    kept["count"] += 1

    workers = []
    for n in range(2, 8):
        begun = threading.Event()
        workers.append(Worker(partial(change, begun)))
        assert begun.wait(CAP)
        _edit(tree, "{'lock': threading.Lock(), 'count': 0}", n)
    for worker in workers:
        worker.result()
    assert tree.module("shop").kept["count"] == 6 * rounds
