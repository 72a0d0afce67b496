"""The eight points of October 2004 (DESIGN section 1), each under its number.

The second, precompiled code, is in `test_eight_points_pyc.py`; the eighth, a real
multithreaded web server, is told with the servers.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
import weakref
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.interpreter import LIVE, python
from support.threads import Worker, together, wait

if TYPE_CHECKING:
    from conftest import LiveTree

# 1. A true module, in a namespace of the importer's own making.


def test_point_1_a_module_is_a_true_module(tree: LiveTree) -> None:
    tree.write(
        {
            "shop/__init__.py": '"""A shop."""',
            "shop/prices.py": '''
            """What things cost."""
            import sys
            KIND = type(sys)
            ''',
            "shop/till.py": """
            from shop import prices
            KIND = type(prices)
            """,
        }
    )
    tree.install()
    prices, shop = tree.module("shop.prices"), tree.module("shop")
    file = str(tree.root / "shop" / "prices.py")
    assert type(prices) is ModuleType
    assert tree.module("shop.till").KIND is ModuleType
    assert prices.__name__ == "shop.prices"
    assert prices.__file__ == file
    assert (prices.__doc__ or "").strip() == "What things cost."
    assert prices.__package__ == "shop"
    assert vars(prices)["__builtins__"] in (
        __builtins__,
        sys.modules["builtins"],
        vars(sys.modules["builtins"]),
    )
    assert prices.__spec__ is not None
    assert ("shop.prices", file) == (prices.__spec__.name, prices.__spec__.origin)
    assert prices.__loader__ is prices.__spec__.loader
    assert importlib.util.find_spec("shop.prices") is not None
    assert not hasattr(prices, "__path__")
    assert [str(tree.root / "shop")] == list(shop.__path__)
    assert ("shop", str(tree.root / "shop" / "__init__.py")) == (shop.__package__, shop.__file__)


def test_point_1_plain_python_says_the_same_of_it(tree: LiveTree) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": '"""What things cost."""\nTEA = 3\n'})
    say = """
        import sys
        sys.path.insert(0, "")
        import shop.prices
        for module in (shop, shop.prices):
            mine = sys.modules[module.__name__]
            names = sorted(vars(mine))
            print(names, mine.__name__, mine.__file__, mine.__doc__, mine.__package__)
            print(getattr(mine, "__path__", None))
            print(getattr(mine, "__cached__", "not any more"))
            print(mine.__spec__.cached)
            print(mine.__spec__.name, mine.__spec__.origin, mine.__spec__.parent)
            print(mine.__spec__.has_location, mine.__spec__.submodule_search_locations)
        """
    assert python(tree.root, say) == python(tree.root, LIVE, say)


def test_point_1_it_finds_the_data_file_beside_it(tree: LiveTree) -> None:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/prices.csv": "tea,3",
            "shop/prices.py": """
            from pathlib import Path
            TABLE = (Path(__file__).parent / "prices.csv").read_text()
            """,
        }
    )
    tree.install()
    assert tree.module("shop.prices").TABLE == "tea,3"


def test_point_1_after_an_update_it_is_still_one(tree: LiveTree, policy: str) -> None:
    tree.write({"prices.py": '"""Old."""\nTEA = 3\n'})
    tree.install(policy=policy)
    tree.module("prices")
    tree.published({"prices.py": '"""New."""\nTEA = 4\n'})
    prices = tree.module("prices")
    assert type(prices) is ModuleType
    assert (prices.__doc__, prices.__name__) == ("New.", "prices")
    assert prices.__file__ == str(tree.root / "prices.py")


# 3. A cache of one's own, by the file.


def test_point_3_two_files_of_one_name_are_two_modules(tree: LiveTree) -> None:
    tree.write({"a/index.py": "SITE = 'a'\n", "b/index.py": "SITE = 'b'\n"})
    tree.install()
    a = transfuse.import_module(tree.root / "a" / "index.py")
    b = transfuse.import_module(str(tree.root / "b" / "index.py"))
    assert (a.SITE, b.SITE) == ("a", "b")
    assert a is transfuse.import_module(tree.root / "a" / "index.py")
    assert b is transfuse.import_module(tree.root / "b" / "index.py")
    assert str(tree.root / "a" / "index.py") == a.__file__


def test_point_3_each_is_updated_by_its_own_file(tree: LiveTree, policy: str) -> None:
    tree.write({"a/index.py": "SITE = 'a'\n", "b/index.py": "SITE = 'b'\n"})
    tree.install(policy=policy)
    first, second = tree.root / "a" / "index.py", tree.root / "b" / "index.py"
    transfuse.import_module(first)
    b = transfuse.import_module(second)
    report = tree.published({"a/index.py": "SITE = 'new'\n"})
    assert transfuse.import_module(first).SITE == "new"
    assert b is transfuse.import_module(second)
    assert len(report.ran) == 1


@pytest.mark.parametrize("end", ["changed", "deleted"])
def test_point_3_what_is_dropped_is_let_go_of(tree: LiveTree, policy: str, end: str) -> None:
    tree.write({"prices.py": "class Price:\n    def of(self): return 3\n"})
    tree.install(policy=policy, keep=0)
    old = weakref.ref(tree.module("prices").Price)
    if end == "changed":
        tree.write({"prices.py": "class Price:\n    def of(self): return 4\n"})
    else:
        tree.delete("prices.py")
    tree.published()
    gc.collect()
    assert old() is None


def test_point_3_code_that_is_executing_still_runs(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write(
        {
            "prices.py": """
            import outside
            class Price:
                tea = 3
            def slow():
                outside.begun.set()
                outside.go_on.wait(20)
                return Price.tea
            """
        }
    )
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install(policy=policy, keep=0)
    old = weakref.ref(tree.module("prices").Price)
    worker = Worker(tree.module("prices").slow)
    wait(outside.begun)
    tree.delete("prices.py")
    tree.published()
    gc.collect()
    assert old() is not None
    outside.go_on.set()
    assert worker.result() == 3
    del worker
    gc.collect()
    assert old() is None


# 4. Many threads, one load.


def test_point_4_a_missing_module_is_loaded_once(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "prices.py": """
            import outside, time
            outside.ran.append(__name__)
            time.sleep(0.05)
            TEA = 3
            """
        }
    )
    tree.install()
    asked = together(16, lambda _: tree.module("prices"))
    assert outside.ran == ["prices"]
    assert {id(asked[0])} == {id(each) for each in asked}
    assert [each.TEA for each in asked] == [3] * 16


def test_point_4_a_stale_module_is_loaded_once(tree: LiveTree, policy: str, outside: Any) -> None:
    source = "import outside\noutside.ran.append({0})\nTEA = {0}\n"
    tree.write({"prices.py": source.format(3)})
    tree.install(policy=policy)
    tree.module("prices")
    tree.write({"prices.py": source.format(4)})

    def ask(number: int) -> int:
        if number % 2:
            transfuse.update()
        tea: int = tree.module("prices").TEA
        return tea

    asked = together(16, ask)
    assert outside.ran == [3, 4]
    assert asked[1::2] == [4] * 8
    assert set(asked[::2]) <= {3, 4}


# 5. On reload the module decides.


def test_point_5_option_1_data_survives_and_code_may_look_for_it(tree: LiveTree) -> None:
    source = """
        try:
            visits
        except NameError:
            visits = []
        once_only = globals().get("once_only") or object()
        TEA = {}
        """
    tree.write({"prices.py": source.format(3)})
    tree.install()
    old = tree.module("prices")
    old.visits.append("first")
    old.found_later = "data"
    tree.published({"prices.py": source.format(4)})
    new = tree.module("prices")
    assert new is not old
    assert (new.visits, new.TEA) == (["first"], 4)
    assert new.visits is old.visits
    assert new.once_only is old.once_only
    assert new.found_later == "data"


def test_point_5_option_2_an_empty_namespace(tree: LiveTree) -> None:
    source = """
        __reload__ = "fresh"
        visits = globals().get("visits", [])
        TEA = {}
        """
    tree.write({"prices.py": source.format(3)})
    tree.install()
    old = tree.module("prices")
    old.visits.append("first")
    old.found_later = "data"
    tree.published({"prices.py": source.format(4)})
    new = tree.module("prices")
    assert (new.visits, new.TEA) == ([], 4)
    assert not hasattr(new, "found_later")


def test_point_5_option_3_a_listed_set_is_carried_locks_among_it(tree: LiveTree) -> None:
    source = """
        import threading
        __reload__ = "fresh"
        __preserve__ = ["visits", "lock"]
        visits = []
        lock = threading.Lock()
        other = []
        TEA = {}
        """
    tree.write({"prices.py": source.format(3)})
    tree.install()
    old = tree.module("prices")
    old.visits.append("first")
    old.other.append("first")
    with old.lock:
        tree.published({"prices.py": source.format(4)})
        new = tree.module("prices")
        assert new.lock.locked()
    assert new.lock is old.lock
    assert new.visits is old.visits
    assert (new.visits, new.other, new.TEA) == (["first"], [], 4)


# 6. Threads that are executing in the module.


def test_point_6_threads_in_the_module_keep_its_globals(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    source = """
        import outside
        TEA = {0}
        def helper(): return {0}
        def slow():
            before = TEA, helper()
            outside.inside.wait(20)
            outside.go_on.wait(20)
            return before + (TEA, helper(), globals()["TEA"])
        """
    tree.write({"prices.py": source.format(3)})
    outside.inside, outside.go_on = threading.Barrier(9), threading.Event()
    tree.install(policy=policy)
    workers = [Worker(tree.module("prices").slow) for _ in range(8)]
    outside.inside.wait(20)
    tree.published({"prices.py": source.format(4)})
    assert tree.module("prices").helper() == 4
    outside.go_on.set()
    assert [worker.result() for worker in workers] == [(3, 3, 3, 3, 3)] * 8


# 7. Gone is really gone.


def test_point_7_a_deleted_function_is_out_of_reach(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "pages.py": "def hello(): return 'hello'\ndef secret(): return 'secret'\n",
            "publisher.py": """
            import pages
            def app(environ, start_response):
                page = getattr(pages, environ["PATH_INFO"].strip("/"), None)
                start_response("200 OK" if page else "404 Not Found", [])
                return [page().encode() if page else b""]
            """,
        }
    )
    tree.install(policy=policy)
    application = transfuse.wsgi("publisher:app")

    def get(path: str) -> tuple[str, bytes]:
        said: list[str] = []
        body = application({"PATH_INFO": path}, lambda status, _: said.append(status))  # type: ignore[arg-type]
        return said[0], b"".join(body)

    facade = importlib.import_module("pages")
    assert get("/secret") == ("200 OK", b"secret")
    assert facade.secret() == "secret"
    tree.published({"pages.py": "def hello(): return 'hello'\n"})
    assert get("/secret") == ("404 Not Found", b"")
    assert get("/hello") == ("200 OK", b"hello")
    assert not hasattr(tree.module("pages"), "secret")
    with pytest.raises(AttributeError, match="secret"):
        _ = facade.secret
    assert "secret" not in dir(facade)
    assert "secret" not in vars(facade)
    with pytest.raises(ImportError, match="secret"):
        exec("from pages import secret", {})
