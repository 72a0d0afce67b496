"""What calls put into an attribute of a foreign module ends with its generation."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import LiveTree

OUTSIDE = """\
def plain():
    return []

class Plain:
    def __call__(self):
        return []

hook = plain
Kind = Plain

def get_hook():
    return hook

def set_hook(new):
    global hook
    hook = new

def get_kind():
    return Kind

def set_kind(new):
    global Kind
    Kind = new
"""

# How code wraps what is there: by a closure, by an object, by its bound method, by a class.
WRAPPERS = {
    "function": """\
        def setup():
            before = outside.get_hook()
            def hook():
                return [EDITION, *before()]
            outside.set_hook(hook)
    """,
    "object": """\
        class Hook:
            def __init__(self, before):
                self.before = before
            def __call__(self):
                return [EDITION, *self.before()]
        def setup():
            outside.set_hook(Hook(outside.get_hook()))
    """,
    "method": """\
        class Hook:
            def __init__(self, before):
                self.before = before
            def run(self):
                return [EDITION, *self.before()]
        def setup():
            outside.set_hook(Hook(outside.get_hook()).run)
    """,
    "class": """\
        def setup():
            class Kind(outside.get_kind()):
                def __call__(self):
                    return [EDITION, *super().__call__()]
            outside.set_kind(Kind)
            outside.set_hook(lambda: outside.Kind()())
    """,
}


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the foreign module `outside`."""
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(OUTSIDE, vars(module))
    return module


@pytest.fixture(params=WRAPPERS)
def source(request: pytest.FixtureRequest) -> str:
    """Return source that wraps what is in a slot of `outside`."""
    lines = [line[8:] for line in WRAPPERS[request.param].splitlines()]
    return "\n".join(["import outside", "EDITION = {0}", *lines])


def test_p5_a_wrapper_set_by_a_call_wraps_no_former_one(
    tree: LiveTree, outside: Any, source: str
) -> None:
    tree.write({"plugin.py": source.format(1) + "\nsetup()\n"})
    tree.install()
    tree.module("plugin")
    assert outside.hook() == [1]
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition) + "\nsetup()\n"})
        assert outside.hook() == [edition]


def test_p8_a_wrapper_set_by_the_first_request_wraps_no_former_one_after_the_next_update(
    tree: LiveTree, outside: Any, source: str
) -> None:
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin").setup()
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition)})
        tree.module("plugin").setup()
        # In the place where the former one is at work, both are until an update has ended.
        assert outside.hook()[0] == edition
    tree.published({"plugin.py": source.format(5)})
    assert outside.hook() == [4]


def test_p4_a_refused_update_leaves_the_slot_as_it_was(
    tree: LiveTree, outside: Any, source: str
) -> None:
    tree.write({"plugin.py": source.format(1) + "\nsetup()\n", "app.py": "import plugin\n"})
    tree.install()
    tree.module("app")
    there = (outside.hook, outside.Kind)
    report = tree.update(
        {"plugin.py": source.format(2) + "\nsetup()\n", "app.py": "import plugin\n1/0\n"}
    )
    assert report.outcome == "refused"
    assert (outside.hook, outside.Kind) == there
    tree.published({"plugin.py": source.format(3) + "\nsetup()\n", "app.py": "import plugin\n"})
    assert outside.hook() == [3]


def test_p6_a_slot_that_new_code_does_not_set_has_its_first_value_again(
    tree: LiveTree, outside: Any, source: str
) -> None:
    first = (outside.hook, outside.Kind)
    tree.write({"plugin.py": source.format(1) + "\nsetup()\n"})
    tree.install()
    tree.module("plugin")
    tree.published({"plugin.py": source.format(2)})
    assert (outside.hook, outside.Kind) == first
