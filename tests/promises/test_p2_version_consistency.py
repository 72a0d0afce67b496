"""P2: a pinned unit of work sees one generation, whichever way it imports."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import pickle
import sys
import threading
import typing
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import transfuse
from support.threads import Worker, wait

if typing.TYPE_CHECKING:
    from conftest import LiveTree

WEB = """
    import importlib, pickle, sys, typing
    from importlib import import_module
    import shop
    import shop.prices
    from shop import prices
    from shop.prices import TEA, Tea

    def module_level(): return TEA, prices.TEA, shop.prices.TEA
    def in_function():
        import shop.prices as one
        from shop import prices as two
        from shop.prices import TEA as three
        import shop
        return one.TEA, two.TEA, three, shop.prices.TEA
    def dynamic():
        return (import_module("shop.prices").TEA, importlib.import_module(".prices", "shop").TEA,
                __import__("shop.prices").prices.TEA, sys.modules["shop.prices"].TEA)
    def attribute():
        import shop
        return shop.prices.TEA, getattr(shop, "prices").TEA
    def pickled():
        def copy(value): return pickle.loads(pickle.dumps(value))
        return copy(Tea()).price(), copy(prices.Tea).PRICE
    def hints():
        return (typing.get_type_hints(prices.Pot)["tea"].PRICE,)
    def first_import():
        import shop.late
        from shop.later import TEA
        return shop.late.TEA, TEA
    """
PRICES = """
    from __future__ import annotations
    TEA = {0}
    class Tea:
        PRICE = {0}
        def price(self): return {0}
    class Pot:
        tea: Tea
    """


def shop(tea: int) -> dict[str, str]:
    return {
        "shop/__init__.py": "",
        "shop/prices.py": PRICES.format(tea),
        "shop/late.py": f"TEA = {tea}\n",
        "shop/later.py": f"from shop.late import TEA\nassert TEA == {tea}\n",
        "web.py": WEB,
    }


WAYS = ["module_level", "in_function", "dynamic", "attribute", "pickled", "hints", "first_import"]


@pytest.mark.parametrize("way", WAYS)
def test_p2_a_pinned_unit_sees_its_generation(tree: LiveTree, policy: str, way: str) -> None:
    tree.write(shop(3))
    tree.install(policy=policy)
    tree.module("web")
    with transfuse.pin():
        work = getattr(tree.module("web"), way)
        tree.published(shop(4))
        assert {3} == set(work())
        assert {3} == set(getattr(tree.module("web"), way)())
        assert {3} == set(getattr(importlib.import_module("web"), way)())
    assert {4} == set(getattr(tree.module("web"), way)())


@pytest.mark.parametrize("way", WAYS)
def test_p2_a_leftover_thread_of_old_code_sees_the_old_world(
    tree: LiveTree, policy: str, outside: Any, way: str
) -> None:
    tree.write(shop(3))
    tree.write(
        {
            "job.py": """
            import outside, web
            def work(way):
                outside.begun.set()
                outside.go_on.wait(20)
                return getattr(web, way)()
            """
        }
    )
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install(policy=policy)
    work = tree.module("job").work
    leftover = Worker(lambda: work(way))
    wait(outside.begun)
    tree.published(shop(4))
    tree.published(shop(5))
    outside.go_on.set()
    assert {3} == set(leftover.result())
    assert {5} == set(getattr(tree.module("web"), way)())


def test_p2_foreign_code_that_is_pinned_sees_its_generation(tree: LiveTree, policy: str) -> None:
    tree.write(shop(3))
    tree.install(policy=policy)
    prices = importlib.import_module("shop.prices")
    tea = tree.module("shop.prices").Tea()
    data = pickle.dumps(tea)
    with transfuse.pin():
        tree.published(shop(4))
        assert (prices.TEA, sys.modules["shop.prices"].TEA) == (3, 3)
        assert importlib.import_module("shop").prices.TEA == 3
        assert tree.module("shop.late").TEA == 3
        assert pickle.loads(data).price() == 3
        assert type(pickle.loads(data)) is type(tea)
        assert typing.get_type_hints(prices.Pot)["tea"].PRICE == 3
        exec(
            "from shop.prices import TEA\nimport shop.prices\nassert TEA == shop.prices.TEA == 3",
            {},
        )
    assert (prices.TEA, pickle.loads(data).price()) == (4, 4)


def test_p2_a_first_import_after_its_file_changed_gets_its_own_content(
    tree: LiveTree, policy: str
) -> None:
    web = "def late():\n    import late\n    return late.VALUE, late.helper.VALUE\n# {}\n"
    late = "import helper\nVALUE = '{}'\n"
    helper = "VALUE = '{}'\n"
    tree.write(
        {"web.py": web.format(1), "late.py": late.format("old"), "helper.py": helper.format("old")}
    )
    tree.install(policy=policy)
    old = tree.module("web").late
    with transfuse.pin():
        tree.update({"late.py": late.format("newer")})
        pinned = contextvars.copy_context()
        tree.published(
            {
                "web.py": web.format(2),
                "late.py": late.format("new"),
                "helper.py": helper.format("new"),
            }
        )
        assert ("old", "old") == old() == pinned.run(old)
    assert tree.module("web").late() == ("new", "new")


def test_p2_leftover_code_is_of_the_newest_generation_that_has_it(
    tree: LiveTree, policy: str
) -> None:
    web = "def late():\n    import late\n    return late.VALUE\n# {}\n"
    tree.write({"web.py": web.format(1), "late.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    old = tree.module("web").late
    tree.update({"late.py": "VALUE = 2\n"})  # not loaded yet: web is the same after it
    tree.published({"web.py": web.format(2), "late.py": "VALUE = 3\n"})
    assert (old(), tree.module("web").late()) == (2, 3)


def test_p2_a_first_import_after_its_file_was_deleted_gets_it(tree: LiveTree, policy: str) -> None:
    late = "def late():\n    from pages import late\n    return late.VALUE\n"
    tree.write({"web.py": late, "pages/__init__.py": "", "pages/late.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    old = tree.module("web").late
    with transfuse.pin():
        tree.delete("pages/late.py")
        tree.update({"web.py": late.replace("late.VALUE", "'new', late.VALUE")})
        assert old() == 1
        assert tree.module("web").late() == 1
    with pytest.raises(ImportError):
        tree.module("web").late()
    assert old() == 1


def test_p2_a_file_created_since_does_not_exist_for_an_old_unit(
    tree: LiveTree, policy: str
) -> None:
    source = "def late():\n    import late\n    return late.VALUE\n# {}\n"
    tree.write({"web.py": source.format(1)})
    tree.install(policy=policy)
    old = tree.module("web").late
    with transfuse.pin():
        tree.published({"web.py": source.format(2), "late.py": "VALUE = 1\n"})
        with pytest.raises(ModuleNotFoundError, match="late"):
            old()
        with pytest.raises(ModuleNotFoundError, match="late"):
            importlib.import_module("late")
    assert tree.module("web").late() == 1
    with pytest.raises(ModuleNotFoundError, match="late"):
        old()


def test_p2_what_both_generations_have_is_loaded_once_for_both(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write(
        {
            "web.py": "VALUE = 1\n",
            "late.py": "import outside\noutside.ran.append('late')\n",
        }
    )
    tree.install(policy=policy)
    tree.module("web")
    with transfuse.pin():
        tree.published({"web.py": "VALUE = 2\n"})
        old = tree.module("late")
        assert tree.module("web").VALUE == 1
    assert old is tree.module("late")
    assert (tree.module("web").VALUE, outside.ran) == (2, ["late"])


def test_p2_what_differs_is_loaded_for_each(tree: LiveTree, policy: str, outside: Any) -> None:
    tree.write(
        {
            "base.py": "VALUE = 1\n",
            "late.py": "import outside, base\noutside.ran.append(base.VALUE)\nVALUE = base.VALUE\n",
        }
    )
    tree.install(policy=policy)
    tree.module("base")
    with transfuse.pin():
        tree.published({"base.py": "VALUE = 2\n"})
        assert tree.module("late").VALUE == 1
    assert tree.module("late").VALUE == 2
    assert outside.ran == [1, 2]


def test_p2_a_task_across_an_update_and_one_that_outlives_its_unit(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write(shop(3))
    tree.write(
        {
            "handler.py": """
            import asyncio, outside, web
            async def handle(background):
                if background:
                    outside.task = asyncio.ensure_future(work())
                    await asyncio.sleep(0)
                    return None
                return await work()
            async def work():
                before = web.in_function()
                await outside.gate.wait()
                from shop.later import TEA
                return {*before, *web.in_function(), *web.dynamic(), TEA}
            """
        }
    )
    tree.install(policy=policy)
    tree.module("handler")

    async def story() -> None:
        outside.gate = asyncio.Event()

        async def unit(background: bool) -> Any:
            with transfuse.pin():
                return await tree.module("handler").handle(background)

        inside = asyncio.ensure_future(unit(False))
        await asyncio.ensure_future(unit(True))
        await asyncio.sleep(0)
        tree.published(shop(4))
        outside.gate.set()
        assert {3} == await inside
        assert {3} == await outside.task
        with transfuse.pin():
            assert {4} == set(tree.module("web").in_function())

    asyncio.run(story())
    assert transfuse.status().draining == ()


def test_p2_a_context_that_is_taken_along_stays_pinned(tree: LiveTree, policy: str) -> None:
    tree.write(shop(3))
    tree.install(policy=policy)
    prices = importlib.import_module("shop.prices")
    with ThreadPoolExecutor(1) as pool:
        with transfuse.pin():
            context = contextvars.copy_context()
            tree.published(shop(4))
            assert pool.submit(context.run, lambda: prices.TEA).result() == 3
            assert pool.submit(lambda: prices.TEA).result() == 4
        # The unit of work is over, and with it the pin in every copy.
        assert context.run(lambda: prices.TEA) == 4


def test_p2_a_pin_inside_a_pin_is_the_same_unit(tree: LiveTree, policy: str) -> None:
    tree.write(shop(3))
    tree.install(policy=policy)
    tree.module("shop.prices")
    with transfuse.pin() as outer:
        tree.published(shop(4))
        with transfuse.pin() as inner:
            assert (outer.generation, 3) == (inner.generation, tree.module("shop.prices").TEA)
        assert tree.module("shop.prices").TEA == 3
    with transfuse.pin() as later:
        assert tree.module("shop.prices").TEA == 4
    assert later.generation > outer.generation
