"""A module that takes only re-exported names of another one does not run whenever that one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LiveTree

# The package imports its application, as many do, and so runs with each edit of a view.
SHOP = {
    "shop/__init__.py": "from shop.web import show\nNAME = 'shop'\n",
    "shop/web.py": "from shop import rates\ndef show(): return f'1: {rates.RATE}'\n",
    "shop/rates.py": "RATE = 3\n",
    "shop/tax/__init__.py": "",
    "shop/tax/table.py": "ROWS = [1]\n",
}
ONLY_SUBMODULES = {
    "by name": "from shop import rates\nV = rates.RATE\n",
    "relative": "from . import rates\nV = rates.RATE\n",
    "several": "from shop import rates, tax\nV = rates.RATE\n",
    "under another name": "import shop.rates as prices\nV = prices.RATE\n",
    "two levels": "import shop.tax.table as table\nV = table.ROWS[0] + 2\n",
    "in a function": "def get():\n    from shop import rates\n    return rates.RATE\nV = get()\n",
}
MORE = {
    "a name": "from shop import NAME, rates\nV = rates.RATE\n",
    "a name later": "from shop import rates\nfrom shop import NAME\nV = rates.RATE\n",
    "the package": "import shop.rates\nV = shop.rates.RATE\n",
    "a name that is missing": "try:\n    from shop import rates, gone\n"
    "except ImportError:\n    from shop import rates\nV = rates.RATE\n",
    "a star": "from shop import *\nfrom shop import rates\nV = rates.RATE\n",
    "a call": "shop = __import__('shop', globals(), locals(), ['rates'], 0)\nV = shop.rates.RATE\n",
}


def run_with_view(tree: LiveTree, policy: str, source: str) -> set[str]:
    """Edit a view of the application; return the modules that ran."""
    tree.write(
        {**SHOP, "shop/user.py": source, "main.py": "import shop.user\nfrom shop import show\n"}
    )
    tree.install(policy=policy)
    assert tree.module("main").shop.user.V == 3
    report = tree.published({"shop/web.py": SHOP["shop/web.py"].replace("1:", "2:")})
    assert tree.module("main").show() == "2: 3"
    assert tree.module("main").shop.user.V == 3
    return {step.name for step in report.ran}


@pytest.mark.parametrize("source", ONLY_SUBMODULES.values(), ids=ONLY_SUBMODULES)
def test_p12_a_module_that_takes_submodules_does_not_run_with_their_package(
    tree: LiveTree, policy: str, source: str
) -> None:
    assert run_with_view(tree, policy, source) == {"shop", "shop.web", "main"}


@pytest.mark.parametrize("source", MORE.values(), ids=MORE)
def test_p5_a_module_that_takes_more_of_the_package_runs_with_it(
    tree: LiveTree, policy: str, source: str
) -> None:
    assert "shop.user" in run_with_view(tree, policy, source)


def test_p5_a_change_of_the_package_itself_runs_what_takes_its_submodules(
    tree: LiveTree, policy: str
) -> None:
    run_with_view(tree, policy, "from shop import rates\nV = rates.RATE\n")
    report = tree.published({"shop/__init__.py": SHOP["shop/__init__.py"] + "V = 2\n"})
    assert "shop.user" in {step.name for step in report.ran}


# Each edit has the package bind the name of a submodule that another module has taken.
HIDING = {
    "a star": (
        {
            "shop/__init__.py": "from shop import rates\nfrom shop.more import *\n",
            "shop/more.py": "",
        },
        {"shop/more.py": "class rates:\n    RATE = 4\n"},
    ),
    "a value": (
        {
            "shop/__init__.py": "from shop import more, rates\nrates = more.OWN or rates\n",
            "shop/more.py": "OWN = None\n",
        },
        {"shop/more.py": "class OWN:\n    RATE = 4\n"},
    ),
    "a file": (
        {
            "shop/__init__.py": "import pathlib\nfrom shop import rates\n"
            "exec(pathlib.Path(__file__).with_name('own.txt').read_text())\n",
            "shop/own.txt": "",
        },
        {"shop/own.txt": "class rates:\n    RATE = 4\n"},
    ),
}


@pytest.mark.parametrize(("files", "edit"), HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("source", ["from shop import rates", "import shop.rates as rates"])
def test_p5_a_package_that_comes_to_hide_a_submodule_runs_what_took_it(
    tree: LiveTree, policy: str, files: dict[str, str], edit: dict[str, str], source: str
) -> None:
    user = f"{source}\nV = rates.RATE\n"
    tree.write(
        {**files, "shop/rates.py": "RATE = 3\n", "user.py": user, "main.py": "import user\n"}
    )
    tree.install(policy=policy)
    assert tree.module("main").user.V == 3
    tree.published(edit)
    assert tree.module("main").user.V == 4


# A package that gathers names of its submodules, as packages of models do.
MODELS = {
    "models/__init__.py": "from .user import User\nfrom .item import Item\n",
    "models/user.py": "class User:\n    name = 'u1'\n",
    "models/item.py": "class Item:\n    name = 'i1'\n",
    "items.py": "from models import Item\nV = Item.name\n",
    "main.py": "import items, users\nV = users.V, items.V\n",
}
GATHERED = {
    "by name": "from .user import User\nfrom .item import Item\n",
    "by stars": "from .user import *\nfrom .item import *\n",
    "by two steps": "from .all import User, Item\n",
    "with its own": "from .all import User, Item, other\n",
}
USERS = {
    "one name": "from models import User\nV = User.name\n",
    "a star of it": "from gathered import User\nV = User.name\n",
}


@pytest.mark.parametrize("gathered", GATHERED.values(), ids=GATHERED)
@pytest.mark.parametrize("users", USERS.values(), ids=USERS)
def test_p12_a_module_runs_with_the_names_that_a_package_has_gathered(
    tree: LiveTree, policy: str, gathered: str, users: str
) -> None:
    tree.write(
        {
            **MODELS,
            "models/__init__.py": gathered,
            "models/all.py": "from .user import User\nfrom .item import Item\nother = 1\n",
            "gathered.py": "from models import *\n",
            "users.py": users,
        }
    )
    tree.install(policy=policy)
    assert tree.module("main").V == ("u1", "i1")
    report = tree.published({"models/item.py": "class Item:\n    name = 'i2'\n"})
    assert tree.module("main").V == ("u1", "i2")
    assert {"items", "main"} <= {step.name for step in report.ran}
    assert "users" not in {step.name for step in report.ran}
    report = tree.published({"models/user.py": "class User:\n    name = 'u2'\n"})
    assert tree.module("main").V == ("u2", "i2")
    assert "items" not in {step.name for step in report.ran}


# In each, a value of another module decides what the package gathers, and what `get` then returns.
DECIDED = {
    "other": (
        "from .flags import NEW\nif NEW:\n    from .two import get\n"
        "else:\n    from .one import get\n",
        2,
    ),
    "star": ("from .one import get\nfrom .flags import *\n", 3),
    "none": ("from .flags import NEW\nif not NEW:\n    from .one import get\n", None),
    "text": (
        "from .flags import NEW\nfrom .one import get\nif NEW:\n    exec('get = None')\n",
        None,
    ),
    "item": (
        "from .flags import NEW\nfrom .one import get\nif NEW:\n    globals()['get'] = None\n",
        None,
    ),
    "deleted": ("from .flags import NEW\nfrom .one import get\nif NEW:\n    del get\n", None),
}


@pytest.mark.parametrize(("gathered", "expected"), DECIDED.values(), ids=DECIDED)
@pytest.mark.parametrize("through", ["pk", "again"])
def test_p5_a_module_runs_when_names_that_it_took_lead_elsewhere(
    tree: LiveTree, policy: str, gathered: str, expected: int | None, through: str
) -> None:
    take = "try:\n    from {} import get\nexcept ImportError:\n    get = None\n"
    tree.write(
        {
            "pk/__init__.py": gathered,
            "pk/flags.py": "NEW = False\n",
            "pk/one.py": "def get(): return 1\n",
            "pk/two.py": "def get(): return 2\n",
            "again.py": take.format("pk") if expected is None else "from pk import get\n",
            "user.py": take.format(through),
            "main.py": "import user\ndef call(): return user.get and user.get()\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("main").call() == 1
    own = "def get(): return 3\n" if expected == 3 else ""
    tree.published({"pk/flags.py": f"NEW = True\n{own}"})
    assert tree.module("main").call() == expected
