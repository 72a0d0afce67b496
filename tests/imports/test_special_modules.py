"""Modules that are not plain: `__getattr__` and `__dir__`, another class, another object."""

from __future__ import annotations

import importlib
import sys
import textwrap
import types
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.threads import Worker
from support.two_generations import at, each_finds_its_own, foreign_code_finds

if TYPE_CHECKING:
    from conftest import LiveTree

LAZY = {
    "lazy/__init__.py": """
        import importlib
        WHICH = @
        calls = []
        def __getattr__(name):
            if name == "computed":
                return WHICH
            if name == "part":
                return importlib.import_module(".part", __name__)
            if name == "from_part":
                from .part import which as found
                globals()[name] = found
                return found
            raise AttributeError(f"no {name} in {__name__} @")
        def __dir__():
            return ["computed", f"only_@"]
        """,
    "lazy/part.py": "WHICH = @\ndef which(): return WHICH\n",
    "web.py": """
        import lazy
        def ask():
            from lazy import computed, from_part, part
            import lazy.part as again
            return [lazy.computed, computed, lazy.part.WHICH, part.WHICH, from_part(),
                    lazy.from_part(), again.WHICH, int(dir(lazy)[1][-1])]
        # @
        """,
}


def test_p2_a_module_with_getattr_and_dir(tree: LiveTree, policy: str) -> None:
    each_finds_its_own(tree, LAZY, policy=policy)


def test_p2_foreign_code_and_a_module_with_getattr(tree: LiveTree, policy: str) -> None:
    def ask() -> Any:
        lazy: Any = importlib.import_module("lazy")
        with pytest.raises(AttributeError, match=f"no nothing in lazy {lazy.WHICH}"):
            _ = lazy.nothing
        assert dir(lazy) == ["computed", f"only_{lazy.WHICH}"]
        assert hasattr(lazy, "computed")
        assert not hasattr(lazy, "nothing")
        found: dict[str, Any] = {}
        exec("from lazy import computed, from_part, part", found)
        assert found["computed"] == found["from_part"]() == found["part"].WHICH == lazy.part.WHICH
        return lazy.computed

    foreign_code_finds(tree, LAZY, ask, policy=policy)


@pytest.mark.parametrize("changed", ["lazy/part.py", "lazy/__init__.py"])
def test_p2_a_lazy_package_of_which_one_file_changes(tree: LiveTree, changed: str) -> None:
    files = {
        name: text if name == changed else text.replace("@", "1") for name, text in LAZY.items()
    }
    files["web.py"] = """
        import lazy
        def ask():
            from lazy import computed, part, from_part
            return (lazy.computed, computed), (lazy.part.WHICH, part.WHICH, from_part())
        """
    old, new = (((1, 1), (1, 1, 1)), ((1, 1), (2, 2, 2)))
    if changed == "lazy/__init__.py":
        new = ((2, 2), (1, 1, 1))
    tree.write(at(files, 1))
    tree.install(policy="fresh")
    assert old == tree.module("web").ask()
    with transfuse.pin():
        tree.published(at(files, 2))
        assert old == tree.module("web").ask()
        assert new == Worker(lambda: tree.module("web").ask()).result()
    assert new == tree.module("web").ask()


REPLACED = {
    "thing.py": """
        import sys
        class Thing:
            WHICH = @
            __name__ = __name__
            def __call__(self): return self.WHICH
        hidden = "of the module"
        sys.modules[__name__] = Thing()
        """,
    "web.py": """
        import thing
        from thing import WHICH
        import thing as again
        import importlib, sys
        def ask():
            from thing import WHICH as now
            import thing as here
            return [thing(), WHICH, again.WHICH, now, here(), importlib.import_module("thing")()]
        """,
}


def test_p2_a_module_that_puts_another_object_in_its_place(tree: LiveTree, policy: str) -> None:
    each_finds_its_own(tree, REPLACED, policy=policy)


def test_p2_foreign_code_and_what_a_module_put_in_its_place(tree: LiveTree, policy: str) -> None:
    def ask() -> Any:
        thing: Any = importlib.import_module("thing")
        found: dict[str, Any] = {}
        exec("import thing\nfrom thing import WHICH", found)
        assert found["thing"] is thing
        assert not hasattr(thing, "hidden")
        assert found["WHICH"] == thing()
        return thing()

    foreign_code_finds(tree, REPLACED, ask, policy=policy)
    assert sys.modules["thing"]() == 2  # type: ignore[operator]


def test_p2_another_object_that_is_a_module_in_a_package(tree: LiveTree, policy: str) -> None:
    files = {
        "pkg/__init__.py": "from . import thing\nfrom .thing import WHICH\n",
        "pkg/thing.py": """
            import sys, types
            class Module(types.ModuleType):
                WHICH = @
                @property
                def computed(self): return self.WHICH
            sys.modules[__name__] = Module(__name__)
            """,
        "web.py": """
            import pkg.thing
            from pkg import thing
            def ask():
                from pkg.thing import computed
                return [pkg.thing.computed, thing.computed, computed, pkg.WHICH, pkg.thing.WHICH]
            """,
    }
    each_finds_its_own(tree, files, policy=policy)


CLASSY = {
    "classy.py": """
        import sys, types
        WHICH = @
        class Module(types.ModuleType):
            @property
            def computed(self): return self.WHICH
            def __getattribute__(self, name):
                return @ if name == "always" else super().__getattribute__(name)
            def __setattr__(self, name, value):
                super().__setattr__(name, value * 10 + @)
        sys.modules[__name__].__class__ = Module
        """,
    "web.py": """
        import classy
        from classy import computed, always
        def ask():
            from classy import computed as now
            return [classy.computed, computed, always, now, classy.always, classy.WHICH]
        """,
}


def test_p2_a_module_whose_class_was_changed(tree: LiveTree, policy: str) -> None:
    each_finds_its_own(tree, CLASSY, policy=policy)


def test_p2_foreign_code_and_a_module_whose_class_was_changed(tree: LiveTree, policy: str) -> None:
    def ask() -> Any:
        module = importlib.import_module("classy")
        assert isinstance(module, types.ModuleType)
        classy: Any = module
        assert classy.computed == classy.always
        classy.put = 5
        assert classy.put == 50 + classy.WHICH
        del classy.put
        found: dict[str, Any] = {}
        exec("from classy import computed", found)
        return found["computed"]

    foreign_code_finds(tree, CLASSY, ask, policy=policy)


def test_p2_a_class_set_from_outside(tree: LiveTree) -> None:
    class Loud(types.ModuleType):
        @property
        def shout(self) -> str:
            return f"{self.WHICH}!"

    tree.write({"quiet.py": "WHICH = 1\n"})
    tree.install()
    quiet: Any = importlib.import_module("quiet")
    quiet.__class__ = Loud
    assert quiet.shout == "1!"
    assert tree.module("quiet").shout == "1!"
    with transfuse.pin():
        tree.published(at({"quiet.py": "WHICH = @\n"}, 2))
        assert quiet.shout == "1!"
    assert not hasattr(quiet, "shout")
    assert quiet.WHICH == 2


def test_a_package_that_says_itself_what_it_has(tree: LiveTree, policy: str) -> None:
    package = """
        import importlib
        def __getattr__(name):
            if name != "prices":
                raise AttributeError(name)
            return importlib.import_module("shop.prices")
        def __dir__():
            return ["prices"]
        """
    tree.write({"shop/__init__.py": package, "shop/prices.py": "V = 1\n"})
    tree.write({"app.py": "import shop\nV = shop.prices.V\n"})
    tree.install(policy=policy)
    assert tree.module("app").V == 1
    tree.published({"shop/prices.py": "V = 2\n"})
    assert (tree.module("app").V, dir(tree.module("app").shop)) == (2, ["prices"])


def test_overlay_does_not_carry_what_a_foreign_getattr_bound(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    library: Any = types.ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", library)
    exec(
        textwrap.dedent("""
        import importlib, sys
        def attach(package):
            def __getattr__(name):
                value = getattr(importlib.import_module(package + ".prices"), name)
                vars(sys.modules[package])[name] = value
                return value
            return __getattr__
        """),
        vars(library),
    )
    package = "import outside\n__getattr__ = outside.attach(__name__)\n"
    tree.write({"shop/__init__.py": package, "shop/prices.py": "RATE = 1\n"})
    tree.write({"app.py": "import shop\nRATE = shop.RATE\n"})
    tree.install(policy="overlay")
    assert tree.module("app").RATE == 1
    for rate in (2, 3):
        tree.published({"shop/prices.py": f"RATE = {rate}\n"})
        assert tree.module("app").RATE == rate
