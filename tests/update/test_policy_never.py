"""A module that is never to be run again is not put into a plan, and does not hold one up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conftest import ran
from transfuse.process import install

if TYPE_CHECKING:
    from conftest import LiveTree

STATE = """
    __reload__ = "never"
    entries = []

    def register(entry):
        entries.append(entry)
        return entry
    """


def test_what_is_used_of_it_for_the_first_time_is_shared(tree: LiveTree) -> None:
    """The plan cannot take it in, as it would any other module that may be changed."""
    tree.write({"state.py": STATE, "web.py": "import state"})
    tree.install()
    state = tree.module("web").state
    report = tree.published({"web.py": "import state\n\n@state.register\ndef index(): ...\n"})
    assert (ran(report), report.restart) == (["web"], ())
    assert tree.module("web").state is state
    assert state.entries == [tree.module("web").index]


def test_one_that_the_settings_held_after_it_was_loaded_is_not_run(tree: LiveTree) -> None:
    tree.write({"conf.py": "VALUE = 1", "state.py": "import conf", "web.py": "import state"})
    tree.install()
    state = tree.module("web").state
    install.require_restart(["state"])
    assert ran(tree.published({"conf.py": "VALUE = 2"})) == ["conf"]
    (waiting,) = tree.update({"state.py": "import conf\nNEW = 1"}).restart
    assert (waiting.name, waiting.code) == ("state", "never-policy")
    assert tree.module("state") is state
    install.require_restart([])
    assert ran(tree.published()) == ["state", "web"]


def test_what_is_said_in_the_module_and_in_the_settings_counts_more(tree: LiveTree) -> None:
    tree.write({"conf.py": "", "a.py": "import conf\n__reload__ = 'fresh'", "b.py": "import conf"})
    tree.install(modules={"b": {"reload": "overlay"}})
    assert (tree.module("a").conf, tree.module("b").conf) == (tree.module("conf"),) * 2
    install.require_restart(["a", "b"])
    assert ran(tree.published({"conf.py": "VALUE = 1"})) == ["conf", "a", "b"]
