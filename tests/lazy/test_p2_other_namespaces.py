"""P2: lazy names outside the namespace of a module, and names that a `__getattr__` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.lazy import needs_lazy_imports
from support.threads import Worker
from support.two_generations import two_worlds

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

PRICES = "TEA = @\ndef cost(): return @\n"
WAYS = {
    "copy": "lazy from prices import TEA\nown = dict(globals())\n"
    "def ask(): return [eval('TEA', own)]",
    "copy as locals": "lazy from prices import TEA\nown = dict(globals())\n"
    "def ask(): return [eval('TEA', {}, own)]",
    "copy and name": "lazy from prices import TEA\nown = dict(globals())\n"
    "def ask(): return [eval('TEA', own), TEA, eval('TEA', dict(globals()))]",
    "exec": "own = {}\nexec('lazy import prices\\nlazy from prices import TEA', own)\n"
    "def ask(): return eval('[prices.TEA, TEA]', own)",
    "exec of a name": "own = {'__name__': 'config'}\nexec('lazy from prices import TEA', own)\n"
    "def ask(): return eval('[TEA]', own)",
    "__getattr__": "lazy from pk import cost, prices\ndef ask(): return [prices.TEA, cost()]",
    "__getattr__ of a name": "lazy from pk import cost\ndef ask(): return [cost()]",
}
PACKAGE = """
    import importlib
    def __getattr__(name):
        if name == "prices":
            return importlib.import_module(".prices", __name__)
        if name == "cost":
            return __getattr__("prices").cost
        raise AttributeError(name)
    """


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("first", ["old", "new"])
@pytest.mark.parametrize("used", [False, True])
def test_p2_it_answers_by_who_asks(tree: LiveTree, way: str, first: str, used: bool) -> None:
    files = {"prices.py": PRICES, "pk/__init__.py": PACKAGE, "pk/prices.py": PRICES}
    files["web.py"] = WAYS[way] + "\n"
    if used:
        # While it runs: then the module runs again with what it used.
        files["web.py"] += "ask()\n"
    with two_worlds(tree, files):
        asks: dict[str, Any] = {
            "old": lambda: set(tree.module("web").ask()),
            "new": lambda: Worker(lambda: set(tree.module("web").ask())).result(),
        }
        second = "new" if first == "old" else "old"
        for _ in range(2):
            assert {who: asks[who]() for who in (first, second)} == {"old": {1}, "new": {2}}
    assert set(tree.module("web").ask()) == {2}
    three = PRICES.replace("@", "3")
    tree.published({"prices.py": three, "pk/prices.py": three})
    assert set(tree.module("web").ask()) == {3}


def test_p5_what_a_shared_module_kept_of_an_old_generation_is_made_again(tree: LiveTree) -> None:
    """Old code uses the name after the update, and the module keeps that until the next one."""
    web = "lazy import prices\nKEPT = []\n"
    web += "def ask():\n    KEPT or KEPT.append(prices.TEA)\n    return KEPT[0]\n"
    with two_worlds(tree, {"prices.py": PRICES, "web.py": web, "other.py": "V = @\n"}):
        assert tree.module("web").ask() == 1
    report = tree.published({"other.py": "V = 3\n"})
    assert "web" in [step.name for step in report.ran]
    assert tree.module("web").ask() == 2
    tree.published({"prices.py": "TEA = 3\n"})
    assert tree.module("web").ask() == 3
