"""P2: annotations that are evaluated late (PEP 649) mean what their generation has.

Python keeps them with the class or function, which two generations can share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import ran
from support.lazy import needs_lazy_imports
from support.threads import Worker
from support.two_generations import old_and_new_find, two_worlds

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

TEA = "class Tea:\n    PRICE = @\n"
LAZY = "lazy from prices import Tea\n"
KEPT = {
    "class": LAZY + "class Pot:\n    tea: Tea\ndef ask(): return Pot.__annotations__['tea'].PRICE",
    "function": LAZY
    + "def brew(tea: Tea): ...\ndef ask(): return brew.__annotations__['tea'].PRICE",
    "declared after it": "class Pot:\n    tea: Tea\n"
    + LAZY
    + "def ask(): return Pot.__annotations__['tea'].PRICE",
    "attribute": "lazy import prices\nclass Pot:\n    tea: prices.Tea | None\n"
    "def ask(): return Pot.__annotations__['tea'].__args__[0].PRICE",
    "type alias": LAZY
    + "type Drink = Tea | None\ndef ask(): return Drink.__value__.__args__[0].PRICE",
    "bound": LAZY
    + "def brew[T: Tea](tea: T): ...\ndef ask(): return brew.__type_params__[0].__bound__.PRICE",
    "module": "import sys\n"
    + LAZY
    + "x: Tea\ndef ask(): return sys.modules[__name__].__annotations__['x'].PRICE",
    "another module's": "import names\nclass Pot:\n    tea: names.Tea\n"
    "def ask(): return Pot.__annotations__['tea'].PRICE",
    "formats": "import annotationlib as al\n" + LAZY + "class Pot:\n    tea: Tea\n    cup: Cup\n"
    "def ask():\n    late = al.get_annotations(Pot, format=al.Format.FORWARDREF)\n"
    "    text = al.get_annotations(Pot, format=al.Format.STRING)\n"
    "    assert text == {'tea': 'Tea', 'cup': 'Cup'} and type(late['cup']) is al.ForwardRef\n"
    "    return late['tea'].PRICE",
    "hints": "import typing\n" + LAZY + "class Pot(typing.NamedTuple):\n    tea: Tea\n"
    "def ask(): return typing.get_type_hints(Pot)['tea'].PRICE",
}


@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize("first", ["old", "new"])
def test_p2_late_annotations_are_those_of_the_generation_that_asks(
    tree: LiveTree, kind: str, first: str
) -> None:
    # Only `prices` is edited, and no module has used it before.
    files = {"prices.py": TEA, "names.py": LAZY, "web.py": KEPT[kind] + "\n"}
    old_and_new_find(tree, files, first)


def test_p2_forward_references_of_two_modules(tree: LiveTree) -> None:
    files = {
        "a.py": "lazy from b import B\nclass A:\n    b: B\n    N = @\n",
        "b.py": "lazy from a import A\nclass B:\n    a: A\n",
        "web.py": "import a, b\n"
        "def ask(): return [b.B.__annotations__['a'].N, a.A.__annotations__['b'] is b.B]",
    }
    with two_worlds(tree, files):
        assert Worker(lambda: tree.module("web").ask()).result() == [2, True]
        assert tree.module("web").ask() == [1, True]
    assert tree.module("web").ask() == [2, True]


def test_p12_a_name_that_no_annotation_mentions_runs_nothing(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": "TEA = 1\nclass Tea: ...\n",
            "web.py": "lazy from prices import TEA, Tea\nclass Pot:\n    tea: int\n",
            "pot.py": "lazy from prices import Tea\nclass Pot:\n    tea: Tea\n",
        }
    )
    tree.install()
    tree.module("web")
    tree.module("pot")
    assert ran(tree.published({"prices.py": "TEA = 2\nclass Tea: ...\n"})) == ["pot"]
