"""P11: foreign code is left alone."""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

import transfuse
from conftest import LiveTree
from support.interpreter import python
from transfuse import _core

FOREIGN = {
    "foreign_shop/__init__.py": "",
    "foreign_shop/base.py": "class Base:\n    registry = []\nVALUE = 1\n",
}
LIVE_CODE = """
    import json, decimal, collections.abc
    import xml.dom.minidom
    from foreign_shop.base import Base, VALUE
    from foreign_shop import base
    class Mine(Base): pass
    RESULT = json.dumps([VALUE, {}])
    def again():
        import json, foreign_shop.base
        from xml.dom import minidom
        return json, foreign_shop.base, minidom
    """


def world() -> dict[str, object]:
    """The identity of every foreign module, and of everything in it."""
    found: dict[str, object] = {"sys.modules": id(sys.modules), "sys.path": list(sys.path)}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name.split(".")[0] in ("transfuse", "app", "logging") or "/app/" in file:
            continue
        found[name] = id(module)
        if isinstance(module, ModuleType) and name.split(".")[0] in (
            "json",
            "decimal",
            "collections",
            "xml",
            "foreign_shop",
            "importlib",
            "builtins",
        ):
            found[f"{name}.*"] = {
                key: id(value) for key, value in vars(module).items() if key != "_"
            }
    found["meta_path"] = [id(finder) for finder in sys.meta_path]
    found["path_hooks"] = [id(hook) for hook in sys.path_hooks]
    return found


@pytest.fixture
def foreign(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> LiveTree:
    """A package that is on sys.path and below no root, as one in site-packages is."""
    elsewhere = LiveTree(tree.root.parent / "site-packages")
    elsewhere.write(FOREIGN)
    monkeypatch.syspath_prepend(elsewhere.root)
    return elsewhere


def test_p11_updates_leave_foreign_modules_as_they_are(
    tree: LiveTree, foreign: LiveTree, policy: str
) -> None:
    tree.write({"app.py": LIVE_CODE.format(0)})
    tree.install(policy=policy)
    tree.module("app").again()
    before = world()
    for number in range(1, 4):
        tree.published({"app.py": LIVE_CODE.format(number)})
        tree.update({"app.py": "import json\nfrom foreign_shop.base import Base\n1/0\n"})
        foreign.write({"foreign_shop/base.py": f"VALUE = {number + 1}\n"})
        assert transfuse.update().outcome == "refused"
    transfuse.rollback()
    assert before == world()
    app = tree.module("app")
    assert all(sys.modules[module.__name__] is module for module in app.again())
    assert app.VALUE == 1


@pytest.mark.usefixtures("foreign")
def test_p11_what_install_changes_uninstall_takes_back(tree: LiveTree, policy: str) -> None:

    importlib.import_module("foreign_shop.base")
    tree.write({"app.py": LIVE_CODE.format(0)})
    before = world()
    for _ in range(2):
        tree.install(policy=policy)
        tree.module("app").again()
        tree.published({"app.py": LIVE_CODE.format(1)})
        tree.published({"app.py": LIVE_CODE.format(0)})
        transfuse.uninstall()
        assert before == world()
        sys.modules.pop("app", None)


@pytest.mark.usefixtures("foreign")
def test_p11_of_builtins_only_import_is_another(tree: LiveTree) -> None:
    tree.write({"app.py": LIVE_CODE.format(0)})
    before = dict(vars(builtins))
    tree.install()
    tree.module("app")
    tree.published({"app.py": LIVE_CODE.format(1)})
    after = vars(builtins)
    differing = [key for key in {*before, *after} if before.get(key) is not after.get(key)]
    swapped = {"__import__"} | ({"__lazy_import__"} if sys.version_info >= (3, 15) else set())
    assert {key for key in differing if key != "_"} == swapped
    assert vars(tree.module("app"))["__builtins__"] in (builtins, vars(builtins))


def test_p11_patching_a_builtin_reaches_live_code(
    tree: LiveTree, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "def count(): return bin(4)\n# {}\n"
    tree.write({"app.py": source.format(1)})
    tree.install(policy=policy)
    tree.module("app")
    tree.published({"app.py": source.format(2)})
    monkeypatch.setattr(builtins, "bin", lambda _: "patched")
    assert tree.module("app").count() == "patched"


@pytest.mark.usefixtures("foreign")
def test_p11_a_foreign_import_is_what_it_was(tree: LiveTree) -> None:
    tree.write({"app.py": LIVE_CODE.format(0)})
    tree.install()
    tree.module("app")
    found: dict[str, Any] = {}
    exec("from json import decoder", found)
    assert found["decoder"] is sys.modules["json.decoder"]
    assert type(importlib.import_module("foreign_shop.base")) is ModuleType
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        importlib.import_module("no_such_module")
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'json'"):
        exec("from json import nothing", {})


def test_p11_foreign_code_may_be_reloaded_and_imported_as_ever(
    tree: LiveTree, foreign: LiveTree
) -> None:
    tree.write({"app.py": LIVE_CODE.format(0)})
    tree.install()
    tree.module("app")
    base: Any = importlib.import_module("foreign_shop.base")
    foreign.write({"foreign_shop/base.py": "class Base:\n    registry = []\nVALUE = 22\n"})
    importlib.invalidate_caches()
    assert importlib.reload(base) is base
    assert base.VALUE == 22
    assert tree.module("app").base.VALUE == 22


def test_p11_after_uninstall_python_imports_by_itself(tree: LiveTree) -> None:
    tree.write({"app.py": "VALUE = 1\n", "later.py": "import app\nVALUE = app.VALUE\n"})
    told = python(
        tree.root,
        """
        import builtins, importlib._bootstrap, os, sys
        sys.path.insert(0, os.getcwd())
        def hooks():
            return (builtins.__import__, importlib._bootstrap._gcd_import,
                    list(sys.meta_path), list(sys.path_hooks), list(sys.path))
        before = hooks()
        import transfuse
        transfuse.install(roots=[os.getcwd()], watch=False)
        import app
        transfuse.uninstall()
        print(before == hooks(), type(sys.__loader__).__name__)
        import later
        print(later.VALUE, app.VALUE, type(later).__name__)
        """,
    )
    assert told[0].split()[0] == "True"
    assert told[1] == "1 1 module"


def test_p11_a_tuple_that_another_thread_is_making_stays_its_own() -> None:
    """While it grows it must have one owner, and a search of the heap looks at all objects."""
    sizes = (3, 9, 10, 11, 24, 25, 26, 43, 44, 66, 67, 100)
    over = threading.Event()

    def made() -> int:
        rounds = 0
        while not over.is_set():
            rounds += 1
            for size in sizes:
                # Of a generator, so that other threads run meanwhile.
                assert tuple(each for each in range(size)) == tuple(range(size))
        return rounds

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            results = [pool.submit(made) for _ in range(2)]
            for _ in range(100):
                heap = _core.heap()
                # Threads run while a search goes on.
                _core.referrers(heap, [over], 10.0)
                _core.let_go(heap)
            over.set()
            assert all(result.result() for result in results)
    finally:
        over.set()
        sys.setswitchinterval(interval)
