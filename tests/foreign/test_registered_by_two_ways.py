"""An entry ends whatever way the former and the new execution know its container.

The search begins at the edge of what each execution leads to: the container may be beyond that of
one, of both, or of none.
"""

from __future__ import annotations

import itertools
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import LiveTree

OUTSIDE = """
class Hub:
    def __init__(self):
        self.entries = []
    def add(self, each):
        self.entries.append(("event", each))
hub = Hub()
table = {}
def register(each):
    hub.add(each)
    table[object()] = (each,)
"""
# How a module registers what it names `it`.
WAYS = {
    "by a function": "import hub_outside\nhub_outside.register(it)\n",
    "by an object that it has": (
        "from hub_outside import hub, table\nhub.add(it)\ntable[object()] = (it,)\n"
    ),
}
# What it registers.
KINDS = {
    "function": "def it():\n    return {0}\n",
    "local function": (
        "def make():\n    def it():\n        return {0}\n    return it\nit = make()\n"
    ),
    "instance": "class It:\n    def __call__(self):\n        return {0}\nit = It()\n",
    "partial": "import functools\ndef f():\n    return {0}\nit = functools.partial(f)\n",
    "function with a proxy": (
        "import weakref\ndef it():\n    return {0}\nproxy = weakref.proxy(it)\n"
    ),
    "method": "class It:\n    def do(self):\n        return {0}\nit = It().do\n",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("former", WAYS)
@pytest.mark.parametrize("new", WAYS)
def test_p5_the_entry_of_the_former_run_ends(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, kind: str, former: str, new: str
) -> None:
    outside: Any = ModuleType("hub_outside")
    monkeypatch.setitem(sys.modules, "hub_outside", outside)
    exec(OUTSIDE, vars(outside))
    ways = map(WAYS.__getitem__, itertools.chain([former], itertools.repeat(new)))
    # What only the container holds has no name in the module.
    forget = "del it\n" if kind == "local function" else ""
    sources = [KINDS[kind].format(number) + next(ways) + forget for number in range(4)]
    tree.write({"plugin.py": sources[0]})
    tree.install()
    tree.module("plugin")
    for number, source in enumerate(sources[1:], 1):
        tree.published({"plugin.py": source})
        assert [each() for _, each in outside.hub.entries] == [number]
        assert [each() for (each,) in outside.table.values()] == [number]
