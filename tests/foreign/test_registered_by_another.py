"""Which registrations leave if another module made the object, or the search takes too long?"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.registrations import search

if TYPE_CHECKING:
    import pytest

    from conftest import LiveTree

STUBBER = """
class Stubber:
    edition = {0}
    def __call__(self):
        return self.edition
import backends
"""
BACKENDS = """
import outside_of_backends
from stubber import Stubber
outside_of_backends.all.append(("before-send", Stubber()))
"""


def test_p5_an_instance_that_the_importer_of_its_class_registers_is_replaced(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a circle of imports the importer may be the one that ran first."""
    outside: Any = ModuleType("outside_of_backends")
    outside.all = []
    monkeypatch.setitem(sys.modules, "outside_of_backends", outside)
    tree.write({"stubber.py": STUBBER.format(1), "backends.py": BACKENDS})
    tree.install(keep=0)
    tree.module("backends")
    for edition in (2, 3, 4):
        tree.published({"stubber.py": STUBBER.format(edition)})
        assert [stubber() for _, stubber in outside.all] == [edition]


def test_p14_a_search_that_takes_too_long_is_told(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outside: Any = ModuleType("outside_of_plugins")
    outside.all = []
    monkeypatch.setitem(sys.modules, "outside_of_plugins", outside)
    monkeypatch.setattr(search, "_SECONDS", 0.0)
    plugin = "import outside_of_plugins\ndef plugin():\n    return {0}\n"
    plugin += "outside_of_plugins.all.append(plugin)\n"
    tree.write({"plugins.py": plugin.format(1)})
    tree.install()
    tree.module("plugins")
    tree.published({"plugins.py": plugin.format(2)})
    # It is a list of a foreign module, and nothing was taken out.
    assert [one() for one in outside.all] == [1, 2]
    assert "foreign code may call former code as well as new" in caplog.text
