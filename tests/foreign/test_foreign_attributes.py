"""P12: attributes and caches of foreign code are no registries, so none is searched for."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from transfuse.registrations import exchange, holders
from transfuse.registrations.search import Search

if TYPE_CHECKING:
    from conftest import LiveTree

OUTSIDE = """\
import functools

class Request:
    pass

class Key:
    def __init__(self, call):
        self.call = call
    def __hash__(self):
        return hash(self.call)
    def __eq__(self, other):
        return self.call is other.call

@functools.lru_cache
def count(keys):
    return len(keys)

all = []

@functools.lru_cache(maxsize=None)
def handler(call):
    made = functools.partial(call)
    all.append(made)
    return made
"""
BREW = "import outside\ndef brew(*_): return {0}\n"
HOLDERS = {
    "module": "outside.brew = brew\n",
    "class": "outside.Request.brew = brew\n",
    "property": "outside.Request.tea = property(lambda self: brew())\n",
    "static method": "outside.Request.brew = staticmethod(brew)\n",
    "cache": "outside.count((outside.Key(brew), outside.Key(brew)))\n",
    "several": "outside.count((outside.Key(brew),))\noutside.Request.tea = property(brew)\n",
}


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a foreign module; holders of earlier tests are forgotten."""
    monkeypatch.setattr(holders, "_known", {})
    monkeypatch.setattr(holders, "_sought", set())
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(OUTSIDE, vars(module))
    for made in (module.Request, module.Key):
        made.__module__ = "outside"
    return module


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the searches of the heap for what new code has registered, as they come.

    Without those that are made because former modules are in memory for longer than usual, as on a
    machine that has other work.
    """
    searches: list[object] = []
    piling_up: list[bool] = []
    exchanged = exchange._search

    def search(*args: Any, pile_up: bool, **named: Any) -> None:
        piling_up.append(pile_up)
        exchanged(*args, pile_up=pile_up, **named)

    def made(*args: Any) -> Search:
        if not piling_up[-1]:
            searches.append(args)
        return Search(*args)

    monkeypatch.setattr(exchange, "_search", search)
    monkeypatch.setattr(exchange, "Search", made)
    return searches


@pytest.mark.skipif(holders._FREE_THREADED, reason="references are not counted there")
@pytest.mark.parametrize("holder", HOLDERS)
def test_p12_they_cost_no_search(tree: LiveTree, searches: list[object], holder: str) -> None:
    source = BREW + HOLDERS[holder]
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition)})
    assert searches == []


@pytest.mark.skipif(holders._FREE_THREADED, reason="references are not counted there")
def test_p12_nor_do_they_where_other_caches_are_full(
    tree: LiveTree, outside: Any, searches: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = BREW + HOLDERS["cache"]
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    full: Any = ModuleType("full")
    for number in range(6):
        cache = functools.lru_cache(maxsize=None)(float)
        for entry in range(8_000):
            cache(str(entry))
        setattr(full, f"cache{number}", cache)
    # It comes before the other module, and so it is looked into before.
    for module in (full, outside):
        monkeypatch.delitem(sys.modules, module.__name__, raising=False)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for edition in (2, 3):
        tree.published({"plugin.py": source.format(edition)})
    assert searches == []


@pytest.mark.parametrize("holder", HOLDERS)
def test_p5_a_registry_beside_them_is_found(tree: LiveTree, outside: Any, holder: str) -> None:
    source = BREW + HOLDERS[holder]
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    tree.published({"plugin.py": source.format(2)})
    for edition in (3, 4, 5):
        tree.published({"plugin.py": source.format(edition) + "outside.all.append(brew)\n"})
        assert [each() for each in outside.all] == [edition]


def test_p5_what_a_cache_returned_and_a_registry_holds_is_found(
    tree: LiveTree, outside: Any
) -> None:
    source = BREW + "outside.handler(brew)\n"
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition)})
        assert [each() for each in outside.all] == [edition]


def test_p5_live_code_that_keeps_what_an_attribute_gave_it_runs_again(
    tree: LiveTree,
) -> None:
    """Only foreign code leads from one to the other."""
    tea = BREW + "outside.Request.brew = brew\n"
    user = """\
        import outside
        kept = []

        def use():
            kept.append(outside.Request.brew)
    """
    tree.write({"plugin.py": tea.format(1), "user.py": user})
    tree.install()
    tree.module("plugin")
    tree.module("user").use()
    report = tree.published({"plugin.py": tea.format(2)})
    assert [each.name for each in report.ran] == ["plugin", "user"]


def test_p5_an_entry_beside_an_object_that_says_its_module_itself_ends(
    tree: LiveTree, outside: Any
) -> None:
    """As a proxy does, whose class has `__module__` as a property."""
    source = BREW + (
        "class Proxy:\n    __module__ = property(lambda self: 'tea')\n"
        "outside.all.append((brew, Proxy()))\n"
    )
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3):
        tree.published({"plugin.py": source.format(edition)})
        assert [each() for each, _ in outside.all] == [edition]
