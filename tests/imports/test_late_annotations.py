"""Annotations that are evaluated late mean what the generation of their code has (PEP 649).

Before Python 3.14 Python evaluates them with the statement; the tests hold there as well.
"""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.threads import Worker
from support.two_generations import each_finds_its_own, two_worlds

if TYPE_CHECKING:
    from conftest import LiveTree

late = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="annotations are evaluated late from Python 3.14 on"
)
PRICES = "class Tea:\n    PRICE = @\n"


def evaluated(body: str) -> dict[str, str]:
    return {"prices.py": PRICES, "web.py": f"# @\nimport typing\nfrom prices import Tea\n{body}\n"}


@pytest.mark.parametrize(
    "body",
    [
        "class Pot:\n    tea: Tea\ndef ask(): return [Pot.__annotations__['tea'].PRICE]",
        "class Pot:\n    tea: Tea\ndef ask(): return [typing.get_type_hints(Pot)['tea'].PRICE]",
        "class Pot:\n    tea: 'Tea'\ndef ask(): return [typing.get_type_hints(Pot)['tea'].PRICE]",
        "def brew(tea: Tea): pass\ndef ask(): return [brew.__annotations__['tea'].PRICE]",
        "import dataclasses\n@dataclasses.dataclass\nclass Pot:\n    tea: Tea\n"
        "def ask(): return [dataclasses.fields(Pot)[0].type.PRICE]",
        "class Pot(typing.NamedTuple):\n    tea: Tea\n"
        "def ask(): return [Pot.__annotations__['tea'].PRICE]",
        "class Pot(typing.TypedDict):\n    tea: Tea\n"
        "def ask(): return [Pot.__annotations__['tea'].PRICE]",
        "import pydantic\nclass Tea2(pydantic.BaseModel):\n    price: int = @\n"
        "class Pot(pydantic.BaseModel):\n    tea: 'Tea2'\n"
        "def ask(): return [Pot.model_validate({'tea': {}}).tea.price]",
        "import sys\ntea: Tea\n"
        "def ask(): return [typing.get_type_hints(sys.modules['web'])['tea'].PRICE]",
    ],
)
def test_p2_annotations_of_each_generation(tree: LiveTree, body: str) -> None:
    each_finds_its_own(tree, evaluated(body))


@late
@pytest.mark.parametrize("form", ["VALUE", "FORWARDREF", "STRING"])
def test_p2_annotate_of_old_code_after_an_update(tree: LiveTree, form: str) -> None:
    annotationlib: Any = __import__("annotationlib")
    wanted = getattr(annotationlib.Format, form)
    with two_worlds(tree, evaluated("class Pot:\n    tea: Tea\n    next: Late\nclass Late: N = @")):

        def found() -> Any:
            pot = tree.module("web").Pot
            hints = annotationlib.get_annotations(pot, format=wanted)
            if form == "STRING":
                return hints == {"tea": "Tea", "next": "Late"}
            return hints["tea"].PRICE, hints["next"].N

        old, new = found(), Worker(found).result()
        assert (old, new) == ((True, True) if form == "STRING" else ((1, 1), (2, 2)))


@late
def test_p2_a_forward_reference_across_modules_and_generations(tree: LiveTree) -> None:
    files = {
        "one.py": "# @\nimport two\nclass One:\n    N = @\n    other: two.Two\n",
        "two.py": "# @\nimport one\nclass Two:\n    N = @\n    other: one.One\n",
        "web.py": "# @\nimport one, two\ndef ask(): return [one.One.__annotations__['other'].N,"
        " two.Two.__annotations__['other'].N]",
    }
    each_finds_its_own(tree, files)


@late
def test_p5_what_is_imported_for_type_checkers_only_is_no_error_and_no_edge(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": "class Tea: PRICE = 1\n",
            "web.py": "import typing\nif typing.TYPE_CHECKING:\n    from prices import Tea\n"
            "def brew(tea: Tea): return 1\n",
        }
    )
    tree.install()
    web = tree.module("web")
    assert web.brew(None) == 1
    with pytest.raises(NameError):
        _ = web.brew.__annotations__
    tree.module("prices")
    report = tree.published({"prices.py": "class Tea: PRICE = 2\n"})
    assert [step.name for step in report.ran] == ["prices"]


@late
def test_p2_pydantic_resolves_a_model_that_is_defined_later(tree: LiveTree) -> None:
    body = (
        "import pydantic\nclass Pot(pydantic.BaseModel):\n    tea: Leaf\n"
        "class Leaf(pydantic.BaseModel):\n    price: int = @\n"
        "def ask():\n    Pot.model_rebuild()\n"
        "    return [Pot.model_validate({'tea': {}}).tea.price]"
    )
    each_finds_its_own(tree, evaluated(body))


def test_p2_hints_asked_for_by_foreign_code(tree: LiveTree) -> None:
    with two_worlds(tree, evaluated("class Pot:\n    tea: Tea")):
        pot = sys.modules["web"].Pot
        assert typing.get_type_hints(pot)["tea"].PRICE == 1
        new = Worker(lambda: sys.modules["web"].Pot).result()
        assert typing.get_type_hints(new)["tea"].PRICE == 2
    with transfuse.pin():
        assert typing.get_type_hints(pot)["tea"].PRICE == 1
