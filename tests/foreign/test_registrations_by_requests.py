"""What requests on live code register in foreign containers ends, or does not pile up."""

from __future__ import annotations

import sys
import weakref
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import LiveTree


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a foreign module `outside` with a list of handlers."""
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec("all = []\ndef register(f):\n    all.append(f)\n    return f\n", vars(module))
    return module


def test_p8_what_the_first_request_registers_ends_with_the_next_update(
    tree: LiveTree, outside: Any
) -> None:
    source = """
        import outside
        EDITION = {0}
        class Filter:
            def __call__(self):
                return EDITION
        FILTER = Filter()
        class Request(Filter):
            pass
        def tell():
            return EDITION
        def serve():
            outside.register(FILTER)
            outside.register(tell)
            outside.register(Request())
        outside.register(lambda: 0)
    """
    tree.write({"plugin.py": source.format(1)})
    tree.install(keep=0)
    tree.module("plugin").serve()
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition)})
        tree.module("plugin").serve()
    tree.published({"plugin.py": source.format(5)})
    said = sorted(each() for each in outside.all if "Request" not in type(each).__name__)
    assert said == [0, 4, 4]
    # These may be at work.
    assert sorted(each() for each in outside.all if type(each).__name__ == "Request") == [
        1,
        2,
        3,
        4,
    ]


# A function that the first request registers.
PLUGIN = """
import outside
EDITION = {0}
def tell():
    return EDITION
def serve():
    outside.register(tell)
"""


def test_p8_what_only_requests_register_does_not_pile_up(tree: LiveTree, outside: Any) -> None:
    tree.write({"plugin.py": PLUGIN.format(0)})
    tree.install(keep=1)
    tree.module("plugin").serve()
    for edition in range(1, 12):
        tree.published({"plugin.py": PLUGIN.format(edition)})
        tree.module("plugin").serve()
    said = [each() for each in outside.all]
    assert said[-1] == 11
    assert len(said) <= 4


def test_p8_what_foreign_code_only_watches_stays_in_its_list(tree: LiveTree, outside: Any) -> None:
    watched = outside.watched = []
    tree.write({"plugin.py": PLUGIN.format(0)})
    tree.install(keep=1)
    for edition in range(1, 12):
        tree.module("plugin").serve()
        watched.append(weakref.ref(tree.module("plugin").tell))
        tree.published({"plugin.py": PLUGIN.format(edition)})
    assert len(outside.all) <= 4
    assert len(watched) == 11
