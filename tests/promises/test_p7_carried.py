"""P7: a preserved value keeps its identity, and a lock that is held is still that lock."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.threads import Worker, wait

if TYPE_CHECKING:
    from conftest import LiveTree

VALUES = {
    "dict": "{}",
    "list": "[1]",
    "Lock": "threading.Lock()",
    "RLock": "threading.RLock()",
    "Condition": "threading.Condition()",
    "local": "threading.local()",
    "instance": "Basket()",
    "class": "Basket",
    "function": "helper",
    "None": "None",
    "closed over": "closure()",
}


@pytest.mark.parametrize("kind", VALUES)
def test_p7_a_preserved_value_is_the_same_object(tree: LiveTree, policy: str, kind: str) -> None:
    source = f"""
        import threading
        __preserve__ = ["kept"]
        class Basket: pass
        def helper(): return 1
        def closure(x=0):
            def inner(): return x
            return inner
        kept = {VALUES[kind]}
        NUMBER = NNN
        """
    tree.write({"prices.py": source.replace("NNN", "0")})
    tree.install(policy=policy)
    kept = tree.module("prices").kept
    for number in range(1, 6):
        tree.published({"prices.py": source.replace("NNN", str(number))})
        assert tree.module("prices").kept is kept
        assert number == tree.module("prices").NUMBER
        assert tree.update({"prices.py": source.replace("NNN", "1/0")}).outcome == "refused"


def test_p7_a_lock_that_a_thread_holds_is_still_that_lock(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    source = """
        import threading, outside
        __preserve__ = ["lock", "account"]
        lock = threading.Lock()
        account = {{"sum": 0}}
        def pay():
            with lock:
                before = account["sum"]
                outside.inside()
                account["sum"] = before + {0}
        """
    begun, go_on = threading.Event(), threading.Event()

    def inside() -> None:
        begun.set()
        wait(go_on)

    outside.inside = inside
    tree.write({"bank.py": source.format(1)})
    tree.install(policy=policy)
    old = tree.module("bank")
    first = Worker(old.pay)
    wait(begun)
    for number in (10, 100):
        tree.published({"bank.py": source.format(number)})
    new = tree.module("bank")
    assert new is not old
    second = Worker(new.pay)
    assert not new.lock.acquire(blocking=False)
    assert (first.running, second.running) == (True, True)
    go_on.set()
    first.result(), second.result()
    assert new.account == {"sum": 101}
    assert new.account is old.account
    assert not new.lock.locked()


def test_p7_importers_that_took_it_by_name_have_the_same(tree: LiveTree, policy: str) -> None:
    source = "__preserve__ = ['cache']\ncache = {{}}\nVALUE = {}\n"
    tree.write(
        {
            "store.py": source.format(1),
            "web.py": "from store import cache, VALUE\nimport store\n",
        }
    )
    tree.install(policy=policy)
    cache = tree.module("web").cache
    cache["k"] = "v"
    tree.published({"store.py": source.format(2)})
    web = tree.module("web")
    assert (web.VALUE, web.cache) == (2, {"k": "v"})
    assert web.cache is web.store.cache is cache


def test_p7_old_and_new_code_share_it_while_both_run(tree: LiveTree, policy: str) -> None:
    source = "__preserve__ = ['log']\nlog = []\ndef say(): log.append({})\n"
    tree.write({"store.py": source.format(1)})
    tree.install(policy=policy)
    old = tree.module("store").say
    tree.published({"store.py": source.format(2)})
    tree.module("store").say()
    old()
    tree.module("store").say()
    assert tree.module("store").log == [2, 1, 2]


def test_p7_a_value_set_from_outside_the_module_is_carried(tree: LiveTree, policy: str) -> None:
    source = "__preserve__ = ['model']\nmodel = None\nVALUE = {}\n"
    tree.write({"store.py": source.format(1)})
    tree.install(policy=policy)
    model = object()
    tree.module("store").model = model
    tree.published({"store.py": source.format(2)})
    assert tree.module("store").model is model
    assert transfuse.status().updates == 1


def test_p7_a_name_that_is_not_there_yet_is_made(tree: LiveTree, policy: str) -> None:
    tree.write({"store.py": "__preserve__ = ['cache']\n"})
    tree.install(policy=policy)
    tree.module("store")
    tree.published({"store.py": "__preserve__ = ['cache']\ncache = {'made': 1}\n"})
    made = tree.module("store").cache
    assert made == {"made": 1}
    tree.published({"store.py": "__preserve__ = ['cache']\ncache = {'made': 2}\n"})
    assert tree.module("store").cache is made
