"""Foreign code looks up live code by its name, and may remember what it has found."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from transfuse.registrations import lookups

if TYPE_CHECKING:
    from conftest import LiveTree

# How a foreign library may find `pay.Rate`, given as one text.
FIND = """\
from importlib import import_module

def find(path):
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)

"""
LIBRARIES = {
    "import": FIND + "load = find\n",
    "loaded modules first": "import sys\n" + FIND + "def load(path):\n"
    "    module, _, name = path.rpartition('.')\n"
    "    there = sys.modules.get(module)\n"
    "    return getattr(there, name) if there is not None else find(path)\n",
    "cache": FIND + "from functools import lru_cache\nload = lru_cache(find)\n",
    "cache inside": FIND
    + "from functools import cache\n@cache\ndef inner(path):\n    return find(path)\n"
    "def load(path):\n    return inner(path)\n",
    "cached method": FIND + "from functools import lru_cache\n"
    "class Finder:\n    @staticmethod\n    @lru_cache(maxsize=8)\n"
    "    def load_by_name(path):\n        return find(path)\n"
    "load = Finder.load_by_name\n",
    "dict": FIND + "memo = {}\ndef load(path):\n"
    "    if path not in memo:\n        memo[path] = find(path)\n    return memo[path]\n",
    "dict with colons": FIND + "memo = {}\ndef load(path):\n"
    "    key = ':'.join(path.rsplit('.', 1))\n"
    "    if key not in memo:\n        memo[key] = find(path)\n    return memo[key]\n",
    "dict of pairs": FIND + "memo = {}\ndef load(path):\n"
    "    key = tuple(path.rsplit('.', 1))\n"
    "    if key not in memo:\n        memo[key] = find(path)\n    return memo[key]\n",
}
PAY = """\
    class Rate:
        value = {0}

    NUMBER = {0}

    def rate():
        return {0}
"""


def library(monkeypatch: pytest.MonkeyPatch, source: str) -> Any:
    """Make a foreign module `outside` from source."""
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(source, vars(module))
    return module


@pytest.mark.parametrize("how", LIBRARIES)
def test_p5_what_was_looked_up_at_module_level_is_looked_up_anew(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    library(monkeypatch, LIBRARIES[how])
    shop = """\
        import outside

        EDITION = {0}
        Rate = outside.load("pay.Rate")
        NUMBER = outside.load("pay.NUMBER")
    """
    tree.write({"pay.py": PAY.format(1), "shop.py": shop.format(0)})
    tree.install()
    # As in a large application, something else has imported it before.
    tree.module("pay")
    tree.module("shop")
    for edition in (2, 3):
        report = tree.published({"pay.py": PAY.format(edition)})
        assert [each.name for each in report.ran] == ["pay", "shop"]
        assert (tree.module("shop").Rate.value, tree.module("shop").NUMBER) == (edition, edition)
        # It runs by itself, and the library may look up nothing: the dependency stays.
        report = tree.published({"shop.py": shop.format(edition)})
        assert [each.name for each in report.ran] == ["shop"]


@pytest.mark.parametrize("how", LIBRARIES)
def test_p5_what_a_function_looks_up_is_the_new_code(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    library(monkeypatch, LIBRARIES[how])
    shop = """\
        import outside

        def charge():
            return outside.load("pay.rate")(), outside.load("pay.Rate").value
    """
    tree.write({"pay.py": PAY.format(1), "shop.py": shop})
    tree.install()
    assert tree.module("shop").charge() == (1, 1)
    for edition in (2, 3):
        tree.published({"pay.py": PAY.format(edition)})
        assert tree.module("shop").charge() == (edition, edition)


@pytest.mark.parametrize("how", LIBRARIES)
def test_p4_a_library_remembers_nothing_of_a_refused_update(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    outside = library(monkeypatch, LIBRARIES[how])
    shop = """\
        import outside

        Rate = outside.load("pay.Rate")
    """
    tree.write({"pay.py": PAY.format(1), "shop.py": shop})
    tree.install()
    tree.module("pay")
    tree.module("shop")
    broken = shop + "    raise ValueError\n"
    assert tree.update({"pay.py": PAY.format(2), "shop.py": broken}).outcome == "refused"
    assert outside.load("pay.Rate").value == 1
    tree.published({"shop.py": shop})
    assert tree.module("shop").Rate.value == outside.load("pay.Rate").value == 2


@pytest.mark.parametrize("how", LIBRARIES)
def test_p16_after_a_rollback_a_library_finds_the_former_code(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    outside = library(monkeypatch, LIBRARIES[how])
    tree.write({"pay.py": PAY.format(1)})
    tree.install(keep=3)
    tree.module("pay")
    assert outside.load("pay.rate")() == 1
    tree.published({"pay.py": PAY.format(2)})
    assert outside.load("pay.rate")() == 2
    transfuse.rollback(1)
    assert outside.load("pay.rate")() == 1


def test_p11_what_a_library_remembers_of_other_code_stays(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, LIBRARIES["dict"])
    tree.write({"pay.py": PAY.format(1), "ship.py": "class Box:\n    pass\n"})
    tree.install()
    outside.load("pay.Rate")
    box = outside.load("ship.Box")
    outside.memo["json.loads"] = outside.memo["pay.Other"] = "its own"
    tree.published({"pay.py": PAY.format(2)})
    assert outside.memo == {"ship.Box": box, "json.loads": "its own", "pay.Other": "its own"}


def test_p14_former_code_that_a_library_hands_on_is_told(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library(
        monkeypatch,
        FIND + "class Finder:\n"
        "    def __init__(self):\n        self.memo = {}\n"
        "    def load(self, path):\n"
        "        return self.memo.setdefault(path, None) or self.found(path)\n"
        "    def found(self, path):\n"
        "        self.memo[path] = find(path)\n        return self.memo[path]\n"
        "load = Finder().load\n",
    )
    shop = """\
        import outside

        Rate = outside.load("pay.Rate")
    """
    tree.write({"pay.py": PAY.format(1), "shop.py": shop})
    tree.install()
    tree.module("shop")
    report = tree.published({"pay.py": PAY.format(2)})
    assert tree.module("shop").Rate.value == 1
    told = {note.name: note.what for note in report.notes}
    assert set(told) == {"pay", "shop"}
    assert "former code of pay" in told["shop"]
    assert "restart the server" in caplog.text


def test_p14_objects_that_a_library_has_collected_are_told(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a search engine does with the indexes of each application, in each thread.
    collect = """
import threading

class Engine:
    def __init__(self, names):
        self.indexes = {name: find(name)() for name in names}

local = threading.local()

def search(names):
    if not hasattr(local, "engines"):
        local.engines = {"default": Engine(names)}
    return [one.value for one in local.engines["default"].indexes.values()]
"""
    outside = library(monkeypatch, FIND + collect)
    box = "class Box:\n    value = {0}\n"
    tree.write({"pay.py": PAY.format(1), "ship.py": box.format(1)})
    tree.install()
    tree.module("ship")
    assert outside.search(["pay.Rate"]) == [1]
    report = tree.published({"pay.py": PAY.format(2)})
    assert outside.search(["pay.Rate"]) == [1]
    (note,) = report.notes
    assert (note.name, "restart the server" in note.what) == ("pay", True)
    assert tree.published({"ship.py": box.format(2)}).notes == ()


def test_p12_functions_that_keep_nothing_are_searched_for_a_few_times(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, FIND + "kept = []\ndef keep(path): kept.append(find(path))\n")
    searches: list[object] = []
    found = lookups.kept

    def kept(*modules: Any) -> list[str]:
        searches.append(modules)
        return found(*modules)

    monkeypatch.setattr(lookups, "kept", kept)
    tree.write({"pay.py": PAY.format(0)})
    tree.install()
    tree.module("pay")
    for edition in range(1, 9):
        outside.find("pay.Rate")
        assert tree.published({"pay.py": PAY.format(edition)}).notes == ()
    assert 1 <= len(searches) < 6
    # A function that keeps what it finds is reported in each update.
    for edition in range(9, 15):
        outside.keep("pay.Rate")
        (note,) = tree.published({"pay.py": PAY.format(edition)}).notes
        assert note.name == "pay"
