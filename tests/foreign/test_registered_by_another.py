"""A module may register what a class of another live module made."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

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
