"""The eight points of October 2004 (DESIGN section 1), each under its number.

The eighth, a real multithreaded web server, is `test_server.py`'s.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import py_compile
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import transfuse
from conftest import Tree
from crew import Worker, together, wait
from process import COUNTING, LIVE, python

# 1. A true module, in a namespace of the importer's own making.


def test_point_1_a_module_is_a_true_module(tree: Tree) -> None:
    tree.write({
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
    })
    tree.install()
    prices, shop = tree.module("shop.prices"), tree.module("shop")
    file = str(tree.root / "shop" / "prices.py")
    assert type(prices) is ModuleType
    assert tree.module("shop.till").KIND is ModuleType
    assert prices.__name__ == "shop.prices"
    assert prices.__file__ == file
    assert (prices.__doc__ or "").strip() == "What things cost."
    assert prices.__package__ == "shop"
    assert vars(prices)["__builtins__"] in (__builtins__, sys.modules["builtins"], vars(sys.modules["builtins"]))
    assert prices.__spec__ is not None
    assert ("shop.prices", file) == (prices.__spec__.name, prices.__spec__.origin)
    assert prices.__loader__ is prices.__spec__.loader
    assert importlib.util.find_spec("shop.prices") is not None
    assert not hasattr(prices, "__path__")
    assert [str(tree.root / "shop")] == list(shop.__path__)
    assert ("shop", str(tree.root / "shop" / "__init__.py")) == (shop.__package__, shop.__file__)


def test_point_1_plain_python_says_the_same_of_it(tree: Tree) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": '"""What things cost."""\nTEA = 3\n'})
    say = """
        import sys
        sys.path.insert(0, "")
        import shop.prices
        for module in (shop, shop.prices):
            mine = sys.modules[module.__name__]
            names = sorted(vars(mine))
            print(names, mine.__name__, mine.__file__, mine.__doc__, mine.__package__)
            print(getattr(mine, "__path__", None), mine.__cached__, mine.__spec__.cached)
            print(mine.__spec__.name, mine.__spec__.origin, mine.__spec__.parent)
            print(mine.__spec__.has_location, mine.__spec__.submodule_search_locations)
        """
    assert python(tree.root, say) == python(tree.root, LIVE, say)


def test_point_1_it_finds_the_data_file_beside_it(tree: Tree) -> None:
    tree.write({
        "shop/__init__.py": "",
        "shop/prices.csv": "tea,3",
        "shop/prices.py": """
            from pathlib import Path
            TABLE = (Path(__file__).parent / "prices.csv").read_text()
            """,
    })
    tree.install()
    assert tree.module("shop.prices").TABLE == "tea,3"


def test_point_1_after_an_update_it_is_still_one(tree: Tree, policy: str) -> None:
    tree.write({"prices.py": '"""Old."""\nTEA = 3\n'})
    tree.install(policy=policy)
    tree.module("prices")
    tree.published({"prices.py": '"""New."""\nTEA = 4\n'})
    prices = tree.module("prices")
    assert type(prices) is ModuleType
    assert (prices.__doc__, prices.__name__) == ("New.", "prices")
    assert prices.__file__ == str(tree.root / "prices.py")


# 2. Precompiled code, used where it is valid.

THREE = {
    "shop/__init__.py": "",
    "shop/web.py": "from shop import prices\nprint(prices.TEA)\n",
    "shop/prices.py": "TEA = 3\n",
}
COMPILED = "compiled: shop/__init__.py shop/prices.py shop/web.py"
IMPORT = """
    import sys
    sys.path.insert(0, "")
    import shop.web
    """


def pyc(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def flags(source: Path) -> int:
    return int.from_bytes(pyc(source).read_bytes()[4:8], "little")


def keep_time(source: Path, text: str) -> None:
    """Change a file's content and neither its size nor its time."""
    before = source.stat()
    source.write_text(text)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = source.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def test_point_2_a_second_start_compiles_nothing(tree: Tree) -> None:
    tree.write(THREE)
    assert ["3", COMPILED] == python(tree.root, COUNTING, LIVE, IMPORT)
    assert ["3", "compiled:"] == python(tree.root, COUNTING, LIVE, IMPORT)


def test_point_2_plain_python_accepts_what_was_written(tree: Tree) -> None:
    tree.write(THREE)
    python(tree.root, LIVE, IMPORT)
    before = {source: pyc(tree.root / source).read_bytes() for source in THREE}
    assert {source: 0b11 for source in THREE} == {s: flags(tree.root / s) for s in THREE}
    assert ["3", "compiled:"] == python(tree.root, COUNTING, IMPORT)
    assert before == {source: pyc(tree.root / source).read_bytes() for source in THREE}


def test_point_2_what_compileall_wrote_is_accepted(tree: Tree) -> None:
    tree.write(THREE)
    how = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run([sys.executable, *how], cwd=tree.root, check=True)
    assert ["3", "compiled:"] == python(tree.root, COUNTING, LIVE, IMPORT)


def test_point_2_an_edit_of_the_same_size_and_time_is_not_missed(tree: Tree) -> None:
    tree.write(THREE)
    python(tree.root, LIVE, IMPORT)
    keep_time(tree.root / "shop" / "prices.py", "TEA = 4\n")
    assert ["4", "compiled: shop/prices.py"] == python(tree.root, COUNTING, LIVE, IMPORT)
    assert ["4", "compiled:"] == python(tree.root, COUNTING, IMPORT)


@pytest.mark.parametrize("mode", ["TIMESTAMP", "UNCHECKED_HASH", "CHECKED_HASH"])
def test_point_2_a_stale_precompiled_file_is_never_run(tree: Tree, mode: str) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    source = tree.root / "prices.py"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode[mode])
    keep_time(source, "TEA = 4\n")
    tree.install()
    assert tree.module("prices").TEA == 4


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_point_2_a_damaged_precompiled_file_counts_as_absent(
    tree: Tree, damage: bytes | None
) -> None:
    tree.write(THREE)
    python(tree.root, LIVE, IMPORT)
    broken = pyc(tree.root / "shop" / "prices.py")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-4] if damage is None else damage)
    assert ["3", "compiled: shop/prices.py"] == python(tree.root, COUNTING, LIVE, IMPORT)
    assert whole == broken.read_bytes()


def test_point_2_an_update_leaves_it_valid_for_the_next_start(tree: Tree, policy: str) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy)
    tree.module("prices")
    tree.published({"prices.py": "TEA = 4\n"})
    ask = "import sys; sys.path.insert(0, '')\nimport prices; print(prices.TEA)"
    assert ["4", "compiled:"] == python(tree.root, COUNTING, ask)


# 3. A cache of one's own, by the file.


def test_point_3_two_files_of_one_name_are_two_modules(tree: Tree) -> None:
    tree.write({"a/index.py": "SITE = 'a'\n", "b/index.py": "SITE = 'b'\n"})
    tree.install()
    a = transfuse.import_module(tree.root / "a" / "index.py")
    b = transfuse.import_module(str(tree.root / "b" / "index.py"))
    assert ("a", "b") == (a.SITE, b.SITE)
    assert a is transfuse.import_module(tree.root / "a" / "index.py")
    assert b is transfuse.import_module(tree.root / "b" / "index.py")
    assert str(tree.root / "a" / "index.py") == a.__file__


def test_point_3_each_is_updated_by_its_own_file(tree: Tree, policy: str) -> None:
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
def test_point_3_what_is_dropped_is_let_go_of(tree: Tree, policy: str, end: str) -> None:
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


def test_point_3_code_that_is_executing_still_runs(tree: Tree, policy: str, outside: Any) -> None:
    tree.write({
        "prices.py": """
            import outside
            class Price:
                tea = 3
            def slow():
                outside.begun.set()
                outside.go_on.wait(20)
                return Price.tea
            """
    })
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


def test_point_4_a_missing_module_is_loaded_once(tree: Tree, outside: Any) -> None:
    tree.write({
        "prices.py": """
            import outside, time
            outside.ran.append(__name__)
            time.sleep(0.05)
            TEA = 3
            """
    })
    tree.install()
    asked = together(16, lambda _: tree.module("prices"))
    assert ["prices"] == outside.ran
    assert {id(asked[0])} == {id(each) for each in asked}
    assert [3] * 16 == [each.TEA for each in asked]


def test_point_4_a_stale_module_is_loaded_once(tree: Tree, policy: str, outside: Any) -> None:
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
    assert [3, 4] == outside.ran
    assert [4] * 8 == asked[1::2]
    assert set(asked[::2]) <= {3, 4}


# 5. On reload the module decides.


def test_point_5_option_1_data_survives_and_code_may_look_for_it(tree: Tree) -> None:
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
    assert (["first"], 4) == (new.visits, new.TEA)
    assert new.visits is old.visits
    assert new.once_only is old.once_only
    assert new.found_later == "data"


def test_point_5_option_2_an_empty_namespace(tree: Tree) -> None:
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
    assert ([], 4) == (new.visits, new.TEA)
    assert not hasattr(new, "found_later")


def test_point_5_option_3_a_listed_set_is_carried_locks_among_it(tree: Tree) -> None:
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
    assert (["first"], [], 4) == (new.visits, new.other, new.TEA)


# 6. Threads that are executing in the module.


def test_point_6_threads_in_the_module_keep_its_globals(
    tree: Tree, policy: str, outside: Any
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
    assert [(3, 3, 3, 3, 3)] * 8 == [worker.result() for worker in workers]


# 7. Gone is really gone.


def test_point_7_a_deleted_function_is_out_of_reach(tree: Tree, policy: str) -> None:
    tree.write({
        "pages.py": "def hello(): return 'hello'\ndef secret(): return 'secret'\n",
        "publisher.py": """
            import pages
            def app(environ, start_response):
                page = getattr(pages, environ["PATH_INFO"].strip("/"), None)
                start_response("200 OK" if page else "404 Not Found", [])
                return [page().encode() if page else b""]
            """,
    })
    tree.install(policy=policy)
    application = transfuse.wsgi("publisher:app")

    def get(path: str) -> tuple[str, bytes]:
        said: list[str] = []
        body = application({"PATH_INFO": path}, lambda status, _: said.append(status))  # type: ignore[arg-type,func-returns-value]
        return said[0], b"".join(body)

    facade = importlib.import_module("pages")
    assert ("200 OK", b"secret") == get("/secret")
    assert facade.secret() == "secret"
    tree.published({"pages.py": "def hello(): return 'hello'\n"})
    assert ("404 Not Found", b"") == get("/secret")
    assert ("200 OK", b"hello") == get("/hello")
    assert not hasattr(tree.module("pages"), "secret")
    with pytest.raises(AttributeError, match="secret"):
        _ = facade.secret
    assert "secret" not in dir(facade)
    assert "secret" not in vars(facade)
    with pytest.raises(ImportError, match="secret"):
        exec("from pages import secret", {})
