"""P4 and P14: an update that would leave a lazy import without its target changes nothing.

The target is located and compiled, and not executed.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import ran
from support.lazy import needs_lazy_imports

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

BASE = {
    "outer.py": "import outside\noutside.ran.append('outer')\nX = 1\n",
    "pk/__init__.py": "import outside\noutside.ran.append('pk')\n",
    "pk/inner.py": "import outside\noutside.ran.append('pk.inner')\nY = 1\n",
    "web.py": "lazy import outer\nlazy from outer import X\nlazy import pk.inner\n"
    "lazy from pk.inner import Y\ndef ask(): return outer.X, X, pk.inner.Y, Y\n",
}


def start(tree: LiveTree) -> None:
    tree.write(BASE)
    tree.install()
    tree.module("web")


def refused(tree: LiveTree, words: str, outside: Any) -> None:
    report = tree.update()
    assert report.outcome == "refused"
    assert words in (report.traceback or ""), report.traceback
    assert outside.ran == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"outer.py": "def broken(:"}, "outer.py"),
        ({"outer.py": "Z = 1"}, "cannot import name 'X' from 'outer'"),
        ({"pk/__init__.py": "def broken(:"}, "pk/__init__.py"),
        ({"pk/inner.py": "Y = ("}, "inner.py"),
        ({"web.py": "lazy import nowhere\n"}, "No module named 'nowhere'"),
        ({"web.py": "lazy from outer import NOPE\n"}, "cannot import name 'NOPE'"),
        ({"web.py": "lazy from pk import nope\n"}, "cannot import name 'nope'"),
        ({"web.py": "lazy import pk.nope\n"}, "No module named 'pk.nope'"),
        ({"web.py": "lazy import json.nope\n"}, "No module named 'json.nope'"),
        (
            {"web.py": "import colorsys\nlazy from colorsys import nope\n"},
            "cannot import name 'nope' from 'colorsys'",
        ),
        (
            {"web.py": "lazy from pk import inner\n", "pk/inner.py": "Y = (\n"},
            "SyntaxError: '(' was never closed",
        ),
    ],
)
def test_p4_a_target_that_is_not_there_or_does_not_compile(
    tree: LiveTree, outside: Any, files: dict[str, str], words: str
) -> None:
    start(tree)
    tree.write(files)
    refused(tree, words, outside)
    # Nothing has changed, and what is mended is served.
    tree.published(BASE | {"web.py": BASE["web.py"] + "# again\n"})
    assert tree.module("web").ask() == (1, 1, 1, 1)


def test_p4_the_message_names_the_statement(tree: LiveTree, outside: Any) -> None:
    start(tree)
    tree.delete("outer.py")
    refused(tree, "web has not used its `lazy import outer` yet", outside)
    assert "line 2" in (tree.update({"web.py": BASE["web.py"] + "#\n"}).traceback or "")


@pytest.mark.parametrize(
    "files", [("outer.py",), ("pk/inner.py",), ("pk/inner.py", "pk/__init__.py")]
)
def test_p4_a_deleted_target(tree: LiveTree, outside: Any, files: tuple[str, ...]) -> None:
    start(tree)
    tree.delete(*files)
    refused(tree, "No module named", outside)


@pytest.mark.parametrize(
    "package",
    [
        {"pk/__init__.py": "lazy from . import inner\n"},
        {"pk/__init__.py": "if True:\n    lazy from . import inner as i\n"},
        {"pk/__init__.py": "lazy from .inner import Y\n"},
        {"pk/__init__.py": "", "web.py": "import pk\nlazy from pk import inner\n"},
        {"pk/__init__.py": "", "web.py": "import pk\nlazy import pk.inner\n"},
        {"pk/__init__.py": "__lazy_modules__ = ['pk.inner']\nfrom pk import inner\n"},
    ],
)
@pytest.mark.parametrize("end", ["deleted", "broken"])
def test_p4_a_submodule_of_a_package_that_is_loaded(
    tree: LiveTree, outside: Any, package: dict[str, str], end: str
) -> None:
    tree.write(BASE | {"web.py": "import pk\n"} | package)
    tree.install()
    tree.module("web")
    outside.ran.clear()
    if end == "deleted":
        tree.delete("pk/inner.py")
        refused(tree, "No module named 'pk.inner'" if "Y" in str(package) else "inner", outside)
    else:
        tree.write({"pk/inner.py": "Y = (\n"})
        refused(tree, "'(' was never closed", outside)
    tree.published({"pk/inner.py": "Y = 2\n"})
    assert tree.module("pk").inner.Y == 2


HANDED_ON = [
    "lazy from .inner import Y\n",
    "from .inner import Y\n",
    "lazy from pk.inner import Y\n",
]


@pytest.mark.parametrize("package", HANDED_ON)
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Z = 1\n", "cannot import name 'Y' from 'pk.inner'"),
        ("Y = (\n", "'(' was never closed"),
        ("from .further import Y\n", "No module named"),
        ("", ""),
    ],
)
def test_p4_a_name_that_a_package_hands_on(
    tree: LiveTree, outside: Any, package: str, source: str, words: str
) -> None:
    web = {"web.py": "lazy from pk import Y\ndef ask(): return Y\n"}
    tree.write(BASE | web | {"pk/__init__.py": package})
    tree.install()
    tree.module("web")
    if source:
        tree.write({"pk/inner.py": source})
    else:
        tree.delete("pk/inner.py")
    refused(tree, words, outside)
    tree.published({"pk/inner.py": "from .further import Y\n", "pk/further.py": "Y = 2\n"})
    assert tree.module("web").ask() == 2


@pytest.mark.parametrize(
    "package",
    [
        "try: from .inner import Y\nexcept ImportError: Y = 2\n",
        "try: from .inner import Y\nexcept ImportError: from .other import Y\n",
        "from .inner import *\nY = 2\n",
        "from . import inner as Y\nY = 2\n",
    ],
)
def test_p4_a_name_that_a_package_may_have_otherwise_refuses_nothing(
    tree: LiveTree, package: str
) -> None:
    web = {"web.py": "lazy from pk import Y\ndef ask(): return Y\n"}
    tree.write(web | {"pk/__init__.py": package, "pk/inner.py": "Y = 1\n", "pk/other.py": "Y = 2"})
    tree.install()
    tree.module("web")
    tree.published({"pk/inner.py": "Z = 1\n"})
    assert tree.module("web").ask() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "from os import path, sep",
        "from collections import abc",
        "import collections.abc",
        "import collections.abc as names",
        "import os.path",
        "import concurrent.futures.thread",
        "from xmlrpc.server import nothing_that_can_be_known",
    ],
)
def test_p4_what_foreign_code_has_or_may_have_refuses_nothing(
    tree: LiveTree, statement: str
) -> None:
    assert "xmlrpc" not in sys.modules, "a module that is loaded has the names it has"
    start(tree)
    tree.published({"web.py": f"import collections, os\nlazy {statement}\n"})
    # Not because it was missing before, too.
    for name in dir(tree.module("web")):
        with contextlib.suppress(ImportError):
            getattr(tree.module("web"), name)
    tree.published({"web.py": f"import collections, os\nlazy {statement}\n# again\n"})


@pytest.mark.parametrize(
    "source",
    [
        "from names import *\n",
        "def __getattr__(name): return 1\n",
        "exec('X = 1')\n",
        "globals()['X'] = 1\n",
        "class X: pass\n",
        "if True:\n    import os as X\n",
    ],
)
def test_p4_a_name_that_may_be_there_refuses_nothing(
    tree: LiveTree, outside: Any, source: str
) -> None:
    start(tree)
    tree.published({"outer.py": source, "names.py": "X = 1\n"})
    assert outside.ran == []


def test_p15_what_was_broken_before_refuses_nothing(tree: LiveTree) -> None:
    tree.write({"web.py": "lazy import nowhere\nV = 1\n"})
    tree.install()
    tree.module("web")
    tree.published({"web.py": "lazy import nowhere\nV = 2\n"})
    assert tree.module("web").V == 2
    with pytest.raises(ImportError):
        _ = tree.module("web").nowhere
    # It may come later.
    tree.published({"nowhere.py": "V = 1\n"})
    assert tree.module("web").nowhere.V == 1


def test_p12_only_what_must_runs(tree: LiveTree, outside: Any) -> None:
    start(tree)
    assert ran(tree.published({"outer.py": "X = 2\n"})) == []
    assert tree.module("web").ask()[:2] == (2, 2)
    assert ran(tree.published({"outer.py": "X = 3\n"})) == ["outer", "web"]
    assert tree.module("web").ask()[:2] == (3, 3)
    assert outside.ran == ["pk", "pk.inner"]


def test_p5_a_failing_use_names_the_statement_and_is_tried_again(tree: LiveTree) -> None:
    tree.write(
        {
            "outer.py": "import outside\n"
            "if not outside.ready: raise ValueError('not yet')\nX = 1\n",
            "web.py": "\n\nlazy import outer\ndef ask(): return outer.X\n",
            "outside.py": "ready = False\n",
        }
    )
    tree.install()
    web = tree.module("web")
    for _ in range(2):
        with pytest.raises(ValueError, match="not yet") as caught:
            web.ask()
        assert isinstance(caught.value.__cause__, ImportError)
    tree.module("outside").ready = True
    assert web.ask() == 1


def test_p5_a_use_while_the_module_runs_counts_as_its_import(tree: LiveTree) -> None:
    tree.write(
        {
            "registry.py": "HANDLERS = []\ndef add(x): HANDLERS.append(x)\n",
            "plugin.py": "lazy from registry import add\nadd('plugin 1')\n",
            "web.py": "import plugin\nimport registry\ndef ask(): return registry.HANDLERS\n",
        }
    )
    tree.install()
    assert tree.module("web").ask() == ["plugin 1"]
    report = tree.published({"plugin.py": "lazy from registry import add\nadd('plugin 2')\n"})
    assert tree.module("web").ask() == ["plugin 2"]
    assert set(ran(report)) == {"plugin", "registry", "web"}


def test_p5_the_first_use_is_no_effect_on_the_module(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": "TEA = 3\n",
            "tools.py": "lazy from prices import TEA\ndef tea(): return TEA\n",
            "page.py": "import tools\nPRICE = tools.tea()\n",
        }
    )
    tree.install()
    tree.module("page")
    assert ran(tree.published({"page.py": "import tools\nPRICE = tools.tea() + 1\n"})) == ["page"]
    assert tree.module("page").PRICE == 4


def test_p10_a_thousand_lazy_imports_execute_nothing(tree: LiveTree, outside: Any) -> None:
    count = 1000
    body = "import outside\noutside.ran.append(__name__)\n"
    tree.write({f"m{number}.py": body for number in range(count)})
    tree.write({"web.py": "".join(f"lazy import m{number}\n" for number in range(count))})
    tree.install()
    tree.module("web")
    tree.published({"m5.py": body + "V = 5\n"})
    assert outside.ran == []
    assert tree.module("web").m5.V == 5
    assert outside.ran == ["m5"]


def test_p8_old_code_with_lazy_imports_is_freed(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 3\n", "web.py": "lazy import prices\nclass Page: pass\n# 0\n"})
    tree.install(keep=1)
    old = weakref.ref(tree.module("web").Page)
    for number in range(1, 4):
        tree.published({"web.py": f"lazy import prices\nclass Page: pass\n# {number}\n"})
    # Nothing is loaded of it: these are no states to go back to.
    for number in range(20):
        tree.published({"prices.py": f"TEA = {number}\n"})
    gc.collect()
    assert old() is None


def test_p5_a_rollback_finds_what_it_had(tree: LiveTree) -> None:
    tree.write(
        {"prices.py": "TEA = 1\n", "web.py": "lazy import prices\ndef ask(): return prices.TEA"}
    )
    tree.install()
    tree.module("web")
    tree.published({"prices.py": "TEA = 2\n"})
    assert tree.module("web").ask() == 2
    assert transfuse.rollback().outcome in ("published", "rolled back")
    assert tree.module("web").ask() == 1


def test_p7_a_module_that_takes_its_code_in_place_keeps_its_lazy_imports(tree: LiveTree) -> None:
    web = "__reload__ = 'patch'\nlazy import prices\nlazy from prices import TEA\n"
    tree.write({"prices.py": "TEA = 1\n", "web.py": web + "def ask(): return prices.TEA, TEA\n"})
    tree.install()
    kept = tree.module("web")
    tree.published({"web.py": web + "def ask(): return TEA, prices.TEA, 0\n"})
    tree.published({"prices.py": "TEA = 2\n"})
    assert tree.module("web") is kept
    assert kept.ask() == (2, 2, 0)
    tree.published({"web.py": web + "def ask(): return TEA, prices.TEA, 1\n"})
    tree.published({"prices.py": "TEA = 3\n"})
    assert kept.ask() == (3, 3, 1)
