"""Circles that an edit makes or enters: each module finds what it finds in a fresh process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import ran
from support.interpreter import python

if TYPE_CHECKING:
    from conftest import LiveTree

# Ways to take a name of a module that is partially initialized, each with a result `TAKEN`.
TAKES = {
    "star": "from web import *\nTAKEN = globals().get('RATE', 'none')\n",
    "name": "try:\n    from web import RATE as TAKEN\nexcept ImportError:\n    TAKEN = 'none'\n",
    "attribute": "import web\nTAKEN = getattr(web, 'RATE', 'none')\n",
    "method": "import web\ntry:\n    TAKEN = web.rate()\nexcept NameError:\n    TAKEN = 'none'\n",
    "names": "import web\nTAKEN = 'RATE' if 'RATE' in vars(web) else 'none'\n",
}
# Ways in which the module binds that name, which it has not reached then.
BINDS = {
    "statement": "import tax\nRATE = 1\n",
    "branch": "import tax\nif tax:\n    RATE = 1\nelse:\n    RATE = 2\n",
    "handler": "import tax\ntry:\n    RATE = 1\nfinally:\n    pass\n",
    "loop": "import tax\nfor RATE in range(3):\n    pass\n",
    "function": "def go():\n    import tax\ngo()\nRATE = 1\n",
    "through another": "import way\nRATE = 1\n",
}


@pytest.mark.parametrize("takes", TAKES.values(), ids=TAKES)
@pytest.mark.parametrize("binds", BINDS.values(), ids=BINDS)
def test_p5_a_name_that_the_code_has_not_reached(
    tree: LiveTree, policy: str, binds: str, takes: str
) -> None:
    web = f"def rate():\n    return RATE\n{binds}"
    tree.write({"web.py": web, "tax.py": "TAKEN = 'none'\n", "way.py": "import tax\n"})
    tree.install(policy=policy)
    tree.module("web")
    tree.published({"tax.py": takes})
    asks = "import web, tax; print(tax.TAKEN, web.RATE)"
    assert python(tree.root, asks) == [f"{tree.module('tax').TAKEN} {tree.module('web').RATE}"]


def test_p5_a_circle_that_cannot_be_imported_is_refused(tree: LiveTree, policy: str) -> None:
    tree.write({"web.py": "import tax\nRATE = 1\n", "tax.py": ""})
    tree.install(policy=policy)
    tree.module("web")
    report = tree.update({"tax.py": "from web import RATE\n"})
    assert report.outcome == "refused"
    assert "circular import" in str(report.error)
    assert tree.module("web").RATE == 1


def test_p5_code_finds_its_own_values_again_after_a_circle(tree: LiveTree) -> None:
    """What `overlay` promises to the module itself, whatever another one has looked for."""
    tree.write(
        {
            "web.py": "import tax\ntry:\n    CACHE\nexcept NameError:\n    CACHE = {'made': 1}\n",
            "tax.py": "import web\nSEEN = hasattr(web, 'CACHE')\n",
        }
    )
    tree.install(policy="overlay")
    cache = tree.module("web").CACHE
    tree.published({"tax.py": "import web\nSEEN = [hasattr(web, 'CACHE')]\n"})
    assert tree.module("web").CACHE is cache
    assert tree.module("tax").SEEN == [False]


def test_p7_a_preserved_name_is_there_from_the_start(tree: LiveTree, policy: str) -> None:
    web = "__preserve__ = ['LOCK']\nimport tax\nLOCK = object()\n"
    tree.write({"web.py": web, "tax.py": "import web\n"})
    tree.install(policy=policy)
    lock = tree.module("web").LOCK
    tree.published({"tax.py": "import web\nSEEN = web.LOCK\n"})
    assert tree.module("tax").SEEN is lock


# Ways in which a module imports one of a package, and takes nothing of the package itself.
LEADS = {
    "name": "from pack.alpha import RATE\n",
    "missing": "try:\n    from pack.gone import RATE\nexcept ImportError:\n    RATE = 1\n",
    "call": "import importlib\nRATE = importlib.import_module('pack.alpha').RATE\n",
    "through another": "import leads\nRATE = 1\n",
    "deeper": "from pack.core.deep import RATE\n",
}


@pytest.mark.parametrize("leads", LEADS.values(), ids=LEADS)
def test_p5_a_circle_through_a_package_is_entered_where_it_was(
    tree: LiveTree, policy: str, leads: str
) -> None:
    web = "V = 1\nfrom three import RATE\nV = VALUE\n"
    tree.write(
        {
            "web.py": web.replace("VALUE", "67"),
            "three.py": leads,
            "leads.py": "from pack.alpha import RATE\n",
            "pack/__init__.py": "import one\n",
            "pack/alpha.py": "RATE = 1\n",
            "pack/core/__init__.py": "",
            "pack/core/deep.py": "RATE = 1\n",
            "one.py": "from web import V as FOUND\n",
        }
    )
    tree.install(policy=policy)
    tree.module("web")
    assert tree.module("one").FOUND == 1
    report = tree.published({"web.py": web.replace("VALUE", "68")})
    assert ran(report) == ["web", "one", "pack"]
    asks = "import web, one; print(one.FOUND, web.V)"
    assert python(tree.root, asks) == [f"{tree.module('one').FOUND} {tree.module('web').V}"]


def test_p2_old_code_keeps_its_names_while_a_circle_is_staged(
    tree: LiveTree, outside: object
) -> None:
    outside.ask = lambda: None  # type: ignore[attr-defined]
    tax = "import outside, web\noutside.ask()\nSEEN = hasattr(web, 'RATE')\n"
    tree.write({"web.py": "import tax\nRATE = 1\n", "tax.py": ""})
    tree.install()
    with transfuse.pin():
        web = tree.module("web")
        seen: list[object] = []
        outside.ask = lambda: seen.append(web.RATE)  # type: ignore[attr-defined]
        tree.published({"tax.py": tax})
        assert (seen, web.RATE) == ([1], 1)
    assert tree.module("tax").SEEN is False
