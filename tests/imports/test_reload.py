"""`importlib.reload` of a live module: an update in which that module runs in any case."""

from __future__ import annotations

import importlib
import sys
import threading
from importlib import reload as taken_before
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import ran
from support.interpreter import python
from support.threads import Worker, wait

if TYPE_CHECKING:
    from conftest import LiveTree

FILES = {
    "conf.py": """
        import outside
        outside.ran.append("conf")
        LEVEL = outside.level
        class Conf: pass
        """,
    "user.py": "from conf import LEVEL, Conf\nimport conf\ndef level(): return LEVEL, conf.LEVEL\n",
}


@pytest.fixture
def conf(tree: LiveTree, outside: Any) -> Any:
    """The facade of a module that says how often it ran, and what it found."""
    outside.level = 1
    tree.write(FILES)
    tree.install()
    tree.module("user")
    return importlib.import_module("conf")


@pytest.mark.parametrize("reload", [importlib.reload, taken_before], ids=["now", "taken before"])
def test_p2_reload_is_an_update_of_that_module(
    tree: LiveTree, outside: Any, conf: Any, reload: Any
) -> None:
    old, kept = conf.Conf, tree.module("user").level
    outside.level = 2
    if reload is importlib.reload:
        reload = sys.modules["importlib"].reload
    assert reload(conf) is conf is sys.modules["conf"]
    assert (conf.LEVEL, outside.ran) == (2, ["conf", "conf"])
    assert [step.reason for step in tree.reports[-1].ran] == ["was to be reloaded", "imports conf"]
    assert conf.Conf is not old
    assert kept() == (1, 1)
    assert tree.module("user").level() == (2, 2)
    assert tree.update().outcome == "unchanged"


def test_p2_reload_takes_what_the_file_says(tree: LiveTree, conf: Any) -> None:
    with transfuse.pin():
        tree.write({"conf.py": "LEVEL = 'new'\nclass Conf: pass\n"})
        Worker(lambda: importlib.reload(conf)).result()
        assert conf.LEVEL == 1
        with pytest.raises(ImportError, match="pinned to generation 1, and 2 is current"):
            importlib.reload(conf)
    assert (conf.LEVEL, tree.module("user").level()) == ("new", ("new", "new"))


def test_p2_live_code_reloads_the_real_module(tree: LiveTree, outside: Any, conf: Any) -> None:
    tree.write(
        {
            "admin.py": """
            def again():
                import conf, importlib
                new = importlib.reload(conf)
                return conf.LEVEL, new.LEVEL, type(new).__name__
            """
        }
    )
    outside.level = 2
    assert tree.module("admin").again() == (1, 2, "module")
    assert conf.LEVEL == 2


def test_p2_a_pinned_unit_that_reloads_goes_on_with_what_came_of_it(
    tree: LiveTree, outside: Any, conf: Any
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def other() -> Any:
        with transfuse.pin():
            before = conf.LEVEL
            begun.set()
            wait(go_on)
            return before, conf.LEVEL

    bystander = Worker(other)
    wait(begun)
    with transfuse.pin() as pin:
        outside.level = 2
        importlib.reload(conf)
        assert (conf.LEVEL, tree.module("user").level(), pin.generation) == (2, (2, 2), 2)
    go_on.set()
    assert bystander.result() == (1, 1)
    assert tree.update().outcome == "unchanged"
    assert transfuse.status().draining == ()


def test_p4_a_reload_that_fails_raises_and_changes_nothing(
    tree: LiveTree, outside: Any, conf: Any
) -> None:
    del outside.level
    with pytest.raises(AttributeError, match="has no attribute 'level'"):
        importlib.reload(conf)
    assert (conf.LEVEL, tree.module("user").level()) == (1, (1, 1))
    outside.level = 3
    assert importlib.reload(conf).LEVEL == 3
    tree.write({"conf.py": "LEVEL = \n"})
    with pytest.raises(SyntaxError):
        importlib.reload(conf)
    assert conf.LEVEL == 3


def test_reload_where_it_makes_no_sense_says_so(tree: LiveTree, conf: Any) -> None:
    tree.write({"hasty.py": "import conf, importlib\nimportlib.reload(conf)\n"})
    with pytest.raises(transfuse.TransfuseError, match=r"reload\(\) was called by code that is"):
        tree.module("hasty")
    del sys.modules["conf"]
    with pytest.raises(ImportError, match=r"module conf not in sys\.modules"):
        importlib.reload(conf)
    with pytest.raises(TypeError):
        importlib.reload("conf")  # type: ignore[arg-type]
    tree.published({"fixed.py": "__reload__ = 'never'\nVALUE = 1\n"})
    with pytest.raises(ImportError, match="restart"):
        importlib.reload(importlib.import_module("fixed"))


def test_reload_of_foreign_modules_is_pythons(tree: LiveTree, conf: Any) -> None:
    module = importlib.import_module("colorsys")
    assert importlib.reload(module) is module
    assert ran(tree.update()) == []
    assert type(conf.Conf) is type


def test_after_uninstall_reload_is_pythons(tree: LiveTree) -> None:
    tree.write({"conf.py": "print('runs')\n"})
    told = python(
        tree.root,
        """
        import importlib, os, sys, transfuse
        before = importlib.reload
        transfuse.install(roots=[os.getcwd()], watch=False)
        import conf
        importlib.reload(conf)
        transfuse.uninstall()
        sys.path.insert(0, os.getcwd())
        print(importlib.reload is before)
        print(importlib.reload(sys.modules["conf"]) is sys.modules["conf"])
        """,
    )
    assert told == ["runs", "runs", "True", "runs", "True"]
