"""P5: modules that import each other lazily run as in a fresh process, in an update too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.lazy import needs_lazy_imports

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

OTHER = "lazy from web import V\nW = V * 100\ndef ask(): return W, V\n"
DECLARED = [
    "lazy from other import ask\nV = {}\n",
    "V = {}\nlazy from other import ask\n",
    "lazy from other import ask as asked\nV = {}\ndef ask(): return asked()\n",
    "lazy import other\nV = {}\ndef ask(): return other.ask()\n",
]


@pytest.mark.parametrize("web", DECLARED)
@pytest.mark.parametrize("used", [False, True])
def test_p5_a_circle_runs_again(tree: LiveTree, web: str, used: bool) -> None:
    tree.write({"web.py": web.format(1), "other.py": OTHER})
    tree.install()
    tree.module("web")
    for number in range(2, 5):
        if used:
            assert tree.module("web").ask() == ((number - 1) * 100, number - 1)
        tree.published({"web.py": web.format(number)})
    assert tree.module("web").ask() == (400, 4)


def test_p10_the_statement_loads_nothing_that_another_generation_has_loaded(
    tree: LiveTree, outside: Any
) -> None:
    """The interpreter looks into `sys.modules`, and asks what is there for its `__spec__`."""
    prices = "import outside\noutside.ran.append({0})\nTEA = {0}\n"
    web = "lazy from prices import TEA\nlazy import prices as p\nV = {0}\n"
    web += "def ask(): return TEA, p.TEA\n"
    tree.write({"prices.py": prices.format(1), "web.py": web.format(1)})
    tree.install()
    tree.module("web")
    with transfuse.pin():
        tree.published({"prices.py": prices.format(2)})
        assert tree.module("web").ask() == (1, 1)
    assert outside.ran == [1]
    tree.published({"web.py": web.format(2)})
    assert outside.ran == [1]
    assert tree.module("web").ask() == (2, 2)
