"""Changes to `sys.modules`, `sys.path` and specs affect live modules as they affect others."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import zipfile
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import transfuse
from support.interpreter import LIVE, python
from support.threads import Worker
from support.two_generations import at, foreign_code_finds

if TYPE_CHECKING:
    from conftest import LiveTree

FILES = {
    "pkg/__init__.py": "WHICH = @\nprint('runs pkg')\n",
    "pkg/mod.py": "WHICH = @\nprint('runs pkg.mod')\nclass Thing: pass\n",
    "user.py": """
        import pkg.mod
        from pkg.mod import Thing
        def thing(): return pkg.mod.Thing
        def again():
            import pkg.mod
            return pkg.mod.Thing
        def taken():
            from pkg import mod
            return mod.Thing
        """,
    "broken.py": "import pkg.missing\n",
}
# Run in Python with and without Transfuse: the results must be equal.
STORIES = {
    "del and import": """
        import sys, user
        first = user.pkg.mod
        del sys.modules["pkg.mod"]
        print("pkg.mod" in sys.modules)
        import pkg.mod
        print(user.Thing is user.thing(), user.thing() is sys.modules["pkg.mod"].Thing)
        print(user.again() is sys.modules["pkg.mod"].Thing)
        print(user.taken() is sys.modules["pkg.mod"].Thing)
        print(pkg.mod.Thing is sys.modules["pkg.mod"].Thing, pkg.mod.Thing is user.Thing)
        """,
    "pop the package and all of it": """
        import sys, user
        for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
            sys.modules.pop(name)
        import pkg
        print(hasattr(pkg, "mod"), "pkg.mod" in sys.modules)
        import pkg.mod
        print(user.Thing is pkg.mod.Thing, user.again() is pkg.mod.Thing)
        """,
    "pop the package only": """
        import sys, user
        old = sys.modules.pop("pkg")
        import pkg
        print(hasattr(pkg, "mod"), "pkg.mod" in sys.modules)
        import pkg.mod as mod
        print(mod.Thing is user.Thing, user.thing() is user.Thing)
        """,
    "popped and not imported again": """
        import sys, user
        sys.modules.pop("pkg.mod")
        print(user.thing() is user.Thing, user.pkg.mod.WHICH)
        print("pkg.mod" in sys.modules)
        """,
    "popped and imported by live code": """
        import sys, user
        sys.modules.pop("pkg.mod")
        print(user.again() is user.Thing)
        print("pkg.mod" in sys.modules, user.again() is sys.modules["pkg.mod"].Thing)
        """,
    "popped and import_module": """
        import sys, user, importlib
        sys.modules.pop("pkg.mod")
        print(importlib.import_module("pkg.mod").Thing is user.Thing)
        """,
    "popped and put back": """
        import sys, user
        mod = sys.modules.pop("pkg.mod")
        import pkg.mod
        print(pkg.mod.Thing is user.Thing)
        sys.modules["pkg.mod"] = mod
        import pkg.mod as put_back
        from pkg import mod as attribute
        print(put_back is mod, "pkg.mod" in sys.modules)
        """,
    "None": """
        import sys, user
        kept = sys.modules["pkg.mod"]
        sys.modules["pkg.mod"] = None
        for what in ("import pkg.mod", "from pkg.mod import Thing", "user.again()",
                     "importlib.import_module('pkg.mod')", "from pkg import mod",
                     "del pkg.mod; from pkg import mod", "user.taken()"):
            try:
                exec(what, {"user": user, "pkg": user.pkg, "importlib": __import__("importlib")})
                print("no error", what)
            except ImportError as error:
                print(type(error).__name__, error, error.name)
        sys.modules["pkg.mod"] = kept
        from pkg.mod import Thing
        print(Thing is user.Thing)
        """,
    "None before it was imported": """
        import sys
        sys.modules["pkg"] = None
        try:
            import user
        except ImportError as error:
            print(type(error).__name__, error, error.name)
        del sys.modules["pkg"]
        import user
        print(user.Thing is user.thing())
        """,
    "patch.dict": """
        import sys, user
        from unittest import mock
        with mock.patch.dict(sys.modules):
            del sys.modules["pkg.mod"]
            import pkg.mod
            print(user.Thing is sys.modules["pkg.mod"].Thing)
        print("pkg.mod" in sys.modules)
        import pkg.mod as now
        with mock.patch.dict(sys.modules, {"pkg.mod": None}):
            try:
                import pkg.mod
            except ImportError as error:
                print(error)
        with mock.patch.dict("sys.modules", {"pkg.mod": mock.sentinel.mod}):
            import pkg.mod as fake
            print(sys.modules["pkg.mod"] is mock.sentinel.mod)
        """,
    "another module under a live package": """
        import sys, types, pkg
        fake = types.ModuleType("pkg.fake")
        fake.VALUE = 7
        sys.modules["pkg.fake"] = fake
        import pkg.fake
        print(sys.modules["pkg.fake"] is fake)
        from pkg.fake import VALUE
        print(VALUE, hasattr(pkg, "fake"))
        pkg.fake = fake
        from pkg import fake as taken
        print(taken is fake)
        missing = sys.modules["pkg.missing"] = types.ModuleType("pkg.missing")
        import broken
        print("imported")
        """,
    "a module in the place of a live one": """
        import sys, types
        fake = types.ModuleType("pkg.mod")
        class Thing: pass
        fake.Thing = Thing
        sys.modules["pkg.mod"] = fake
        import user
        print(user.Thing is Thing)
        print(user.again() is Thing if hasattr(user.pkg, "mod") else "no attribute")
        """,
    "in the place of one that is loaded": """
        import sys, types, user
        fake = types.ModuleType("pkg.mod")
        class Thing: pass
        fake.Thing = Thing
        real = sys.modules["pkg.mod"]
        sys.modules["pkg.mod"] = fake
        from pkg.mod import Thing as found
        print(found is Thing, user.again() is Thing, user.taken() is Thing)
        import pkg.mod as d
        print(d is fake)
        sys.modules["pkg.mod"] = real
        from pkg.mod import Thing as found
        print(found is user.Thing)
        """,
    "a failed import leaves nothing": """
        import sys
        for attempt in range(2):
            try:
                import broken
            except ModuleNotFoundError as error:
                print(error, error.name)
        print("broken" in sys.modules, "pkg.missing" in sys.modules, "pkg" in sys.modules)
        """,
    "spec_from_file_location": """
        import importlib.util, os, sys, user
        file = os.path.join("pkg", "mod.py")
        spec = importlib.util.spec_from_file_location("elsewhere", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print(module.__name__, module.WHICH, module.Thing is user.Thing, module.Thing.__module__)
        spec = importlib.util.spec_from_file_location("pkg.mod", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print(module.__name__, module.Thing is user.Thing, sys.modules["pkg.mod"] is module)
        """,
    "module_from_spec of find_spec": """
        import importlib.util, sys
        spec = importlib.util.find_spec("pkg.mod")
        print(spec.name, spec.origin.endswith("mod.py"), spec.has_location, spec.parent)
        module = importlib.util.module_from_spec(spec)
        print("pkg.mod" in sys.modules)
        spec.loader.exec_module(module)
        print(module.WHICH, module.__name__, "pkg.mod" in sys.modules)
        sys.modules["pkg.mod"] = module
        import pkg.mod
        print(sys.modules["pkg.mod"] is module)
        """,
    "find_spec": """
        import importlib.util, sys
        print(importlib.util.find_spec("nothing"), importlib.util.find_spec("pkg.nothing"))
        spec = importlib.util.find_spec("pkg")
        print("pkg" in sys.modules, [where[-3:] for where in spec.submodule_search_locations])
        import pkg
        print(importlib.util.find_spec("pkg") is pkg.__spec__)
        sys.modules["pkg"] = None
        print(importlib.util.find_spec("pkg"))
        """,
    "LazyLoader": """
        import importlib.util, sys
        def lazy(name):
            spec = importlib.util.find_spec(name)
            spec.loader = importlib.util.LazyLoader(spec.loader)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            return module
        import pkg
        mod = lazy("pkg.mod")
        print("not yet")
        print(mod.WHICH, mod.Thing.__module__)
        import pkg.mod
        print(sys.modules["pkg.mod"].Thing is mod.Thing)
        """,
    "__import__ of importlib": """
        import importlib, sys, user
        print(importlib.__import__("pkg.mod").__name__)
        print(importlib.__import__("pkg.mod", fromlist=["Thing"]).Thing is user.Thing)
        from importlib._bootstrap import _gcd_import
        print(_gcd_import("pkg.mod").Thing is user.Thing)
        """,
}


@pytest.mark.parametrize("story", STORIES)
def test_sys_modules_as_under_python(tree: LiveTree, story: str) -> None:
    tree.write(at(FILES, 1))
    told = python(tree.root, "import sys; sys.path.insert(0, '.')", STORIES[story])
    assert told == python(tree.root, LIVE, STORIES[story])


def test_p2_a_module_removed_and_imported_again_takes_part_in_updates(
    tree: LiveTree, policy: str
) -> None:
    files = {**FILES, "pkg/mod.py": "WHICH = @\nclass Thing: pass\n", "pkg/__init__.py": ""}
    tree.write(at(files, 1))
    tree.install(policy=policy)
    user = tree.module("user")
    first = user.Thing
    del sys.modules["pkg.mod"]
    again: Any = importlib.import_module("pkg.mod")
    assert again.Thing is not first
    assert user.again() is again.Thing
    with transfuse.pin():
        tree.published(at(files, 2))
        assert (again.WHICH, tree.module("pkg.mod").WHICH) == (1, 1)
        assert Worker(lambda: (again.WHICH, tree.module("pkg.mod").WHICH)).result() == (2, 2)
    assert sys.modules["pkg.mod"].WHICH == 2
    assert tree.module("user").thing() is tree.module("pkg.mod").Thing


def test_p2_a_pinned_unit_that_removes_a_module_does_so_in_its_generation(tree: LiveTree) -> None:
    files = {"mod.py": "WHICH = @\nclass Thing: pass\n"}
    tree.write(at(files, 1))
    tree.install()
    old = tree.module("mod").Thing
    with transfuse.pin():
        tree.published(at(files, 2))
        new = Worker(lambda: tree.module("mod").Thing).result()
        with mock.patch.dict(sys.modules):
            del sys.modules["mod"]
            again: Any = importlib.import_module("mod")
            assert (again.WHICH, again.Thing is old) == (1, False)
        assert Worker(lambda: tree.module("mod").Thing).result() is new
    assert tree.module("mod").Thing is new


def test_p2_a_pinned_unit_removes_and_puts_back_while_updates_go_on(tree: LiveTree) -> None:
    files = {
        "pkg/__init__.py": "# @\n",
        "pkg/mod.py": "WHICH = @\nclass Thing:\n    WHICH = WHICH\n",
        "user.py": "import pkg.mod\ndef again():\n    import pkg.mod\n    return pkg.mod.Thing\n",
    }
    tree.write(at(files, 0))
    tree.install(policy="fresh")
    tree.module("user")

    def updates() -> set[str]:
        return {tree.update(at(files, number)).outcome for number in range(1, 60)}

    def is_published_after(generation: int) -> bool:
        """Whether an update comes, or has come; it shows its modules in `sys.modules`, too."""
        while worker.running and transfuse.status().generation == generation:
            pass
        return transfuse.status().generation > generation

    with transfuse.pin():
        first, again = tree.module("pkg.mod").Thing, tree.module("user").again
        worker = Worker(updates)
        rounds = 0
        while worker.running or not rounds:
            rounds += 1
            generation = transfuse.status().generation
            kept = sys.modules.pop("pkg.mod")
            fresh: Any = importlib.import_module("pkg.mod")
            assert fresh.WHICH == again().WHICH == 0
            # As in plain Python another thread may have put it back meanwhile: an update has.
            found = (fresh.Thing is not first, again() is fresh.Thing)
            assert found == (True, True) or is_published_after(generation), found
            sys.modules["pkg.mod"] = kept
            back = importlib.import_module("pkg.mod").Thing
            assert back is first or is_published_after(generation)
            assert back.WHICH == 0
        assert worker.result() == {"published"}
    assert tree.module("pkg.mod").WHICH == 59


def test_p2_find_spec_finds_its_own(tree: LiveTree) -> None:
    files = {"mod.py": "WHICH = @\n", "late.py": "WHICH = @\n"}

    def ask() -> Any:
        importlib.invalidate_caches()
        loaded = importlib.util.find_spec("mod")
        late = importlib.util.find_spec("late")
        assert loaded is not None
        assert late is not None
        sources = {spec.loader.get_source(spec.name) for spec in (loaded, late)}  # type: ignore[union-attr]
        assert len(sources) == 1
        return int(sources.pop().split("=")[1])

    tree.write(at(files, 1))
    foreign_code_finds(tree, files, lambda: (tree.module("mod"), ask())[1])


def test_sys_path_at_run_time(tree: LiveTree) -> None:
    tree.write({"libs/one/thing.py": "WHICH = 'one'\n", "libs/two/thing.py": "WHICH = 'two'\n"})
    tree.install()
    with pytest.raises(ModuleNotFoundError):
        tree.module("thing")
    before = sys.path[:]
    try:
        sys.path.insert(0, str(tree.root / "libs" / "one"))
        thing = tree.module("thing")
        assert thing.WHICH == "one"
        sys.path.insert(0, str(tree.root / "libs" / "two"))
        assert tree.module("thing") is thing
        tree.published({"libs/one/thing.py": "WHICH = 'one, new'\n"})
        del sys.modules["thing"]
        assert importlib.import_module("thing").WHICH == "two"
        tree.published({"libs/two/thing.py": "WHICH = 'two, new'\n"})
        assert tree.module("thing").WHICH == "two, new"
    finally:
        sys.path[:] = before


def test_live_code_that_imports_from_a_zip_file(tree: LiveTree, tmp_path: Any) -> None:
    archive = tmp_path / "far.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("zipped/__init__.py", "from zipped.part import WHICH\n")
        made.writestr("zipped/part.py", "WHICH = 'zipped'\n")
    tree.write(at({"web.py": "import zipped.part\nWHICH = zipped.WHICH\n# @\n"}, 1))
    tree.install()
    before = sys.path[:]
    try:
        sys.path.append(str(archive))
        zipped = tree.module("web").zipped
        assert tree.module("web").WHICH == "zipped"
        tree.published(at({"web.py": "import zipped.part\nWHICH = zipped.part.WHICH * @\n"}, 2))
        assert tree.module("web").WHICH == "zippedzipped"
        assert tree.module("web").zipped is zipped is sys.modules["zipped"]
        assert type(zipped) is types.ModuleType
    finally:
        sys.path[:] = before
        for name in ("zipped", "zipped.part"):
            sys.modules.pop(name, None)
