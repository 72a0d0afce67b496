"""Modules that import each other: in every order, at every depth, in both generations."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from support.interpreter import LIVE, python
from support.threads import Worker
from support.two_generations import at, each_finds_its_own

if TYPE_CHECKING:
    from conftest import LiveTree

# How each of two modules imports the other: under the name `other`, used later or at once.
WAYS = {
    "import": "import pkg.{0} as other",
    "from package": "from pkg import {0} as other",
    "relative": "from . import {0} as other",
    "attribute": "import pkg.{0}\nother = pkg.{0}",
    "dynamic": "import importlib\nother = importlib.import_module('pkg.{0}')",
}
MODULE = """
    WHICH = @
    {write}
    def found(): return other.WHICH
    AFTER = @
    """
WEB = """
    import pkg.{first}
    import pkg.{second}
    def ask():
        one, two = pkg.one, pkg.two
        return [one.WHICH, two.WHICH, one.found(), two.found(), one.other.AFTER, two.other.AFTER]
    # @
    """


def circle(one: str, two: str, first: str, second: str) -> dict[str, str]:
    def module(way: str, other: str) -> str:
        write = WAYS[way].format(other).replace("\n", "\n    ")
        return MODULE.replace("{write}", write)

    return {
        "pkg/__init__.py": "",
        "pkg/one.py": module(one, "two"),
        "pkg/two.py": module(two, "one"),
        "web.py": WEB.format(first=first, second=second),
    }


@pytest.mark.parametrize("first", ["one", "two"])
@pytest.mark.parametrize(("one", "two"), [*itertools.product(WAYS, repeat=2)])
def test_p2_two_modules_that_import_each_other(
    tree: LiveTree, one: str, two: str, first: str
) -> None:
    second = {"one": "two", "two": "one"}[first]
    files = circle(one, two, first, second)
    if {"one": one, "two": two}[second] == "attribute":
        # The first one is no attribute of the package yet.
        tree.write(at(files, 1))
        tree.install()
        with pytest.raises(AttributeError, match=f"'pkg' has no attribute '{first}'"):
            tree.module("web")
        return
    each_finds_its_own(tree, files)
    pkg = tree.module("pkg")
    assert pkg.one.other is pkg.two
    assert pkg.two.other is pkg.one


@pytest.mark.parametrize("order", [*itertools.permutations("abc")])
@pytest.mark.parametrize("changed", ["a", "b", "c", "all"])
def test_p2_a_circle_of_three_entered_anywhere(
    tree: LiveTree, order: tuple[str, ...], changed: str
) -> None:
    files = {
        f"{name}.py": f"""
        import {after} as after
        WHICH = {"@" if changed in (name, "all") else 0}
        def around(): return [WHICH, after.WHICH, after.after.WHICH]
        """
        for name, after in zip("abc", "bca", strict=True)
    }
    entries = "\n    ".join(f"import {name}" for name in order)
    files["web.py"] = f"""
    {entries}
    def ask(): return [sum(around()) // {3 if changed == "all" else 1}
                       for around in (a.around, b.around, c.around)]
    """
    each_finds_its_own(tree, files)


def test_p2_a_package_and_its_submodule_in_a_circle(tree: LiveTree, policy: str) -> None:
    files = {
        "pkg/__init__.py": "WHICH = @\nfrom pkg.part import found\nfrom pkg import part\n",
        "pkg/part.py": """
            import pkg
            from . import WHICH
            import pkg.other as other
            def found(): return [pkg.WHICH, WHICH, other.WHICH, pkg.part.WHICH, pkg.other.WHICH]
            """,
        "pkg/other.py": "import pkg.part\nfrom pkg import WHICH\n",
        "web.py": "import pkg\ndef ask(): return [*pkg.found(), *pkg.part.found()]\n",
    }
    each_finds_its_own(tree, files, policy=policy)


@pytest.mark.parametrize("entry", ["a", "b"])
def test_p2_a_circle_through_functions_only(tree: LiveTree, entry: str) -> None:
    files = {
        "a.py": "WHICH = @\ndef found():\n    import b\n    return [WHICH, b.WHICH, b.found()]\n",
        "b.py": "WHICH = @\ndef found():\n    from a import WHICH\n    return WHICH\n",
        "web.py": f"import {entry}\nimport a\ndef ask(): return a.found()\n# @\n",
    }
    each_finds_its_own(tree, files)


BROKEN = {
    "a.py": "from b import B\nA = 1\n",
    "b.py": "from a import A\nB = 1\n",
    "pkg/__init__.py": "from pkg.x import X\n",
    "pkg/x.py": "from pkg.y import Y\nX = 1\n",
    "pkg/y.py": "from pkg.x import X\nY = 1\n",
}


@pytest.mark.parametrize("entry", ["a", "b", "pkg", "pkg.x", "pkg.y"])
def test_a_circle_that_python_refuses_is_refused_in_its_words(tree: LiveTree, entry: str) -> None:
    tree.write(BROKEN)
    ask = f"""
        for attempt in range(2):
            try:
                import {entry}
            except ImportError as error:
                print(type(error).__name__, error, error.name, error.path)
        import sys
        print(*sorted(set(sys.modules).intersection(["a", "b", "pkg", "pkg.x", "pkg.y"])))
        """
    plain = python(tree.root, ask)
    assert plain[0].startswith("ImportError cannot import name")
    assert plain == python(tree.root, LIVE, ask)


def test_p2_a_circle_that_is_made_and_undone_by_updates(tree: LiveTree, policy: str) -> None:
    straight = {"a.py": "import b\nWHICH = @\n", "b.py": "WHICH = @\n"}
    around = {
        "a.py": "import b\nWHICH = @\ndef found(): return b.WHICH, b.found()\n",
        "b.py": "import a\nWHICH = @\ndef found(): return a.WHICH\n",
    }
    tree.write(at(straight, 1))
    tree.install(policy=policy)
    tree.module("a")
    with transfuse.pin():
        tree.published(at(around, 2))
        assert (tree.module("a").WHICH, tree.module("b").WHICH) == (1, 1)
        assert Worker(lambda: tree.module("a").found()).result() == (2, 2)
        assert not hasattr(tree.module("b"), "found")
    kept = tree.module("a").found
    tree.published(at(straight, 3))
    assert not hasattr(tree.module("a"), "found")
    assert (tree.module("a").b.WHICH, kept()) == (3, (2, 2))


def test_p5_a_new_circle_is_entered_where_the_process_entered(tree: LiveTree) -> None:
    tree.write({"main.py": "from two import *\n", "two.py": ""})
    tree.install()
    tree.module("main")
    # Entered at `two`, the star would find it half-loaded.
    tree.published({"two.py": "import main\nafter = 1\n"})
    assert tree.module("main").after == 1
    # And still, when `main` alone has run again in between.
    tree.published({"two.py": "after = 2\n"})
    tree.published({"main.py": "from two import *\nCHANGED = True\n"})
    tree.published({"two.py": "import main\nafter = 3\n"})
    assert tree.module("main").after == 3


def test_p2_half_of_a_new_submodule_is_not_seen_by_older_work(tree: LiveTree, outside: Any) -> None:
    outside.half, outside.go = threading.Event(), threading.Event()
    tree.write({"pack/__init__.py": "", "pack/sql.py": "VALUE = 1\n"})
    tree.install()
    tree.module("pack.sql")
    with transfuse.pin():
        pack = tree.module("pack")
        tree.delete("pack/sql.py")
        tree.published()
        # A circle in which the submodule is taken from its package before it is whole.
        tree.published(
            {
                "pack/sql.py": "import outside\nfrom pack import user\noutside.half.set()\n"
                "outside.go.wait(20)\nVALUE = 3\n",
                "pack/user.py": "from pack import sql\n",
            }
        )
        loading = Worker(lambda: int(tree.module("pack.sql").VALUE))
        assert outside.half.wait(CAP)
        assert pack.sql.VALUE == 1
        outside.go.set()
        assert loading.result() == 3
        assert pack.sql.VALUE == 1
