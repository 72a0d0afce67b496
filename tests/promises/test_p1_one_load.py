"""P1: N threads ask, one executes, all get the same instance."""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.threads import Worker, together, wait

SLOW = "import outside\noutside.ran.append(__name__)\noutside.meet()\nVALUE = 1\n"


def by_statement(tree: LiveTree) -> int:
    value: int = tree.module("asking").by_statement()
    return value


def by_function(tree: LiveTree) -> int:
    value: int = tree.module("asking").by_function()
    return value


def by_importlib(_: LiveTree) -> int:
    value: int = importlib.import_module("shop.prices").VALUE
    return value


def by_name(tree: LiveTree) -> int:
    value: int = tree.module("shop.prices").VALUE
    return value


def by_file(tree: LiveTree) -> int:
    value: int = transfuse.import_module(tree.root / "shop" / "prices.py").VALUE
    return value


@pytest.mark.parametrize(
    "ways",
    [
        [by_statement],
        [by_function],
        [by_importlib],
        [by_name],
        [by_file],
        [by_statement, by_function, by_importlib, by_name, by_file],
    ],
    ids=lambda ways: "+".join(way.__name__ for way in ways),
)
def test_p1_whichever_way_16_threads_ask_one_executes(
    tree: LiveTree, outside: Any, ways: list[Any]
) -> None:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/prices.py": SLOW,
            "asking.py": """
            from importlib import import_module
            def by_statement():
                from shop import prices
                return prices.VALUE
            def by_function():
                return import_module("shop.prices").VALUE
            """,
        }
    )
    tree.install()
    tree.module("asking")
    asking = threading.Semaphore(0)
    # The body goes on once everybody has asked, or is about to.
    outside.meet = lambda: [asking.acquire(timeout=CAP) for _ in range(16)]

    def ask(number: int) -> int:
        asking.release()
        value: int = ways[number % len(ways)](tree)
        return value

    assert together(16, ask) == [1] * 16
    assert outside.ran == ["shop.prices"]


def test_p1_who_waits_does_not_hold_the_gil(tree: LiveTree, outside: Any) -> None:
    tree.write({"prices.py": SLOW})
    begun, go_on = threading.Event(), threading.Event()

    def meet() -> None:
        begun.set()
        wait(go_on)

    outside.meet = meet
    tree.install()
    workers = [Worker(lambda: tree.module("prices").VALUE) for _ in range(8)]
    wait(begun)
    # If a waiting thread held it, this line would never be reached.
    assert all(worker.running for worker in workers)
    go_on.set()
    assert [worker.result() for worker in workers] == [1] * 8


def test_p1_nobody_gets_a_half_loaded_module(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "package/__init__.py": "from package import first, second\nDONE = True\n",
            "package/first.py": "import outside\noutside.meet()\n",
            "package/second.py": "VALUE = 2\n",
        }
    )
    begun, go_on = threading.Event(), threading.Event()

    def meet() -> None:
        begun.set()
        wait(go_on)

    outside.meet = meet
    tree.install()
    first = Worker(lambda: tree.module("package").DONE)
    wait(begun)
    others = [Worker(lambda: tree.module("package").DONE) for _ in range(4)]
    others += [Worker(lambda: tree.module("package.second").VALUE == 2) for _ in range(4)]
    go_on.set()
    assert first.result()
    assert all(worker.result() for worker in others)


def test_p1_when_the_load_fails_everybody_hears_why(tree: LiveTree) -> None:
    tree.write({"prices.py": "VALUE = 1\nraise KeyError('closed')\n"})
    tree.install()

    def ask(_: int) -> str:
        try:
            return repr(tree.module("prices"))
        except KeyError as error:
            return repr(error)

    assert together(16, ask) == ["KeyError('closed')"] * 16
    assert "prices" not in sys.modules


def test_p1_a_cycle_in_one_thread_is_an_ordinary_case(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "a.py": "import outside\noutside.ran.append('a')\nimport b\nVALUE = 1\n",
            "b.py": "import outside\noutside.ran.append('b')\nimport a\n"
            "EARLY = hasattr(a, 'VALUE')\ndef late(): return a.VALUE\n",
        }
    )
    tree.install()
    a, b = tree.module("a"), tree.module("b")
    assert (outside.ran, b.EARLY, b.late()) == (["a", "b"], False, 1)
    assert a.b is b


def test_p1_while_an_update_stages_a_new_module_it_is_loaded_once(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"web.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("web")
    tree.write({"web.py": "import late\nVALUE = 2\n", "late.py": SLOW})
    begun, go_on = threading.Event(), threading.Event()

    def meet() -> None:
        begun.set()
        wait(go_on)

    outside.meet = meet
    update = Worker(transfuse.update)
    wait(begun)
    go_on.set()
    assert update.result().outcome == "published"
    asked: list[ModuleType] = together(8, lambda _: tree.module("late"))
    assert {id(tree.module("web").late)} == {id(module) for module in asked}
    assert outside.ran == ["late"]


def test_p1_a_live_module_and_its_facade_are_one(tree: LiveTree, outside: Any) -> None:
    tree.write({"prices.py": "import outside\noutside.ran.append(1)\ncart = []\n"})
    tree.install()
    facade: Any = importlib.import_module("prices")
    real = tree.module("prices")
    assert facade.cart is real.cart
    facade.note = "set through the facade"
    assert real.note == "set through the facade"
    del facade.note
    assert not hasattr(real, "note")
    assert vars(real).keys() == vars(facade).keys()
    assert isinstance(facade, ModuleType)
    assert outside.ran == [1]


def test_p1_foreign_threads_that_have_had_the_module_for_long_find_no_half_of_it(
    tree: LiveTree, outside: Any
) -> None:
    tree.write({"prices.py": "VALUE = 1\n"})
    tree.install()
    half, whole = threading.Event(), threading.Event()

    def meet() -> None:
        half.set()
        assert whole.wait(CAP)

    outside.meet = meet
    with transfuse.pin():
        # In the generation of this unit of work, and in none since.
        tree.update({"prices.py": SLOW.replace("1", "2")})
        outside.ran.clear()
        shown: Any = importlib.import_module("prices")
        assert shown.VALUE == 1
        loading = Worker(lambda: int(shown.VALUE))
        assert half.wait(CAP)
        asking = Worker(lambda: int(shown.VALUE))
        # Code that iterates over all of sys.modules does not wait.
        assert Worker(lambda: getattr(shown, "__warningregistry__", None)).result() is None
        assert asking.running
        whole.set()
        assert (2, 2) == (loading.result(), asking.result())
    assert outside.ran == ["prices"]
