"""P2: a submodule that a lazy import names is the attribute that the asking generation has."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.lazy import needs_lazy_imports
from support.threads import Worker
from support.two_generations import each_finds_its_own, two_worlds

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

PRICES = "TEA = @\n"
# How one module names the submodule lazily, and how another one, which does not import it, gets it.
DECLARED = [
    "lazy import pk.prices",
    "lazy import pk.prices as p",
    "lazy from pk import prices",
    "lazy from pk.prices import TEA",
]
OTHER = "import names, pk\ndef ask(): return [pk.prices.TEA]\n"


def program(declared: str, **files: str) -> dict[str, str]:
    start = {"pk/__init__.py": "", "pk/prices.py": PRICES, "names.py": declared + "\n"}
    return start | {"web.py": "# @\n" + OTHER} | files


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("edited", ["", "names.py", "pk/__init__.py"])
@pytest.mark.parametrize("first", ["old", "new"])
def test_p2_an_attribute_that_another_module_named(
    tree: LiveTree, declared: str, edited: str, first: str
) -> None:
    files = program(declared)
    if edited:
        files[edited] += "# @\n"
    with two_worlds(tree, files):
        asks: dict[str, Any] = {
            "old": tree.module("web").ask,
            "new": lambda: Worker(lambda: tree.module("web").ask()).result(),
        }
        second = "new" if first == "old" else "old"
        for _ in range(2):
            found = {who: asks[who]() for who in (first, second)}
            assert found == {"old": [1], "new": [2]}
    assert tree.module("web").ask() == [2]


@pytest.mark.parametrize("declared", DECLARED)
def test_p5_it_is_an_attribute_of_a_package_that_runs_again(tree: LiveTree, declared: str) -> None:
    tree.write(program(declared, **{"pk/prices.py": "TEA = 1\n"}))
    tree.install()
    assert tree.module("web").ask() == [1]
    tree.published({"pk/__init__.py": "V = 2\n"})
    assert tree.module("web").ask() == [1]
    assert tree.module("web").pk.V == 2


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize(
    "use",
    [
        "from pk import prices\nX = prices.TEA",
        "import pk\nX = pk.prices.TEA",
        "import pk.prices\nX = pk.prices.TEA",
    ],
)
def test_p5_a_module_that_used_it_while_it_ran_runs_with_it(
    tree: LiveTree, declared: str, use: str
) -> None:
    tree.write(
        program(declared, **{"pk/prices.py": "TEA = 1\n", "web.py": f"import names\n{use}\n"})
    )
    tree.install()
    tree.module("web")
    for price in (2, 3):
        tree.published({"pk/prices.py": f"TEA = {price}\n"})
        assert tree.module("web").X == price


def test_p2_live_code_gets_the_module_itself(tree: LiveTree) -> None:
    use = "lazy import pk\nlazy from pk import prices\nlazy import pk.prices as p\n"
    files = program("", **{"web.py": use + "def ask(): return [prices, p, pk.prices]\n"})
    with two_worlds(tree, files):
        for ask in (tree.module("web").ask, lambda: Worker(tree.module("web").ask).result()):
            found = ask()
            assert {type(each) for each in found} == {types.ModuleType}
            assert len({id(each) for each in found}) == 1


def test_p2_a_package_that_imports_its_own_submodule_lazily(tree: LiveTree) -> None:
    own = "lazy from . import prices\nlazy from .prices import TEA\n"
    lookup = "def __getattr__(name):\n    if name == 'tea': return prices.TEA\n"
    files = program("", **{"pk/__init__.py": own + lookup + "    raise AttributeError(name)\n"})
    files["web.py"] = "# @\nimport pk\ndef ask(): return [pk.prices.TEA, pk.TEA, pk.tea]\n"
    each_finds_its_own(tree, files)


def test_p2_a_name_that_is_taken_through_other_lazy_imports(tree: LiveTree) -> None:
    files = program(
        "lazy from pk import TEA",
        **{
            "pk/__init__.py": "lazy from .prices import TEA\n",
            "web.py": "lazy from names import TEA\ndef ask(): return [TEA]\n",
        },
    )
    with two_worlds(tree, files):
        web = tree.module("web")
        assert Worker(web.ask).result() == [2]
        assert web.ask() == [1]
        assert Worker(web.ask).result() == [2]
    assert tree.module("web").ask() == [2]
    tree.published({"pk/prices.py": "TEA = 3\n"})
    assert tree.module("web").ask() == [3]


def test_p5_a_name_that_its_submodule_shares(tree: LiveTree) -> None:
    files = {"pk/__init__.py": "lazy from .prices import prices\n", "pk/prices.py": "prices = 1\n"}
    tree.write(files)
    tree.install()
    assert tree.module("pk").prices == 1
    assert tree.module("pk").prices == 1


def test_p2_foreign_code_finds_it_in_each_generation(tree: LiveTree) -> None:
    glue: Any = types.ModuleType("glue")
    tree.write({"pk/__init__.py": "", "pk/prices.py": "TEA = 1\n"})
    tree.install()
    exec("lazy import pk.prices\ndef ask(): return pk.prices.TEA", glue.__dict__)
    with transfuse.pin():
        tree.published({"pk/prices.py": "TEA = 2\n"})
        assert Worker(glue.ask).result() == 2
        assert glue.ask() == 1
    assert glue.ask() == 2


def test_p5_an_attribute_that_names_nothing_is_missing(tree: LiveTree) -> None:
    tree.write(program("lazy from pk import nothing", **{"web.py": "import names, pk\n"}))
    tree.install()
    pk = tree.module("web").pk
    assert not hasattr(pk, "nothing")
    assert "__getattr__" not in dir(pk)
