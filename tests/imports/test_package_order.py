"""Packages without source of their own, around what runs, and with values named as submodules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree

LEFT = {
    "data": {"pk/__init__.py": "", "pk/rates.json": "1"},
    "compiled files": {"pk/__init__.py": "", "pk/__pycache__/old.pyc": ""},
    "nothing": {"pk/__init__.py": ""},
    "a module": {"pk/__init__.py": "", "pk/one.py": ""},
    "data of a namespace package": {"pk/one.py": "", "pk/rates.json": "1"},
}


@pytest.mark.parametrize("files", LEFT.values(), ids=LEFT)
def test_p5_a_folder_that_loses_its_source_stays_a_package(
    tree: LiveTree, policy: str, files: dict[str, str]
) -> None:
    tree.write({**files, "web.py": "import pk\nV = 1\n"})
    tree.install(policy=policy)
    old = tree.module("web").pk
    with transfuse.pin():
        tree.delete(next(name for name in files if name.endswith(".py")))
        tree.published()
        assert tree.module("web").pk is old
    tree.published({"web.py": "import pk\nV = 2\n"})
    assert tree.module("web").V == 2
    assert [str(tree.root / "pk")] == list(tree.module("web").pk.__path__)
    assert tree.module("pk").__file__ is None
    tree.published({"pk/__init__.py": "V = 3\n"})
    assert tree.module("web").pk.V == 3


GRANDPARENTS = {
    "statement": "import shop.core.config\nimport shop\n",
    "names": "from shop.core.config import RATE\nimport shop\n",
    "module": "from shop.core import config\nimport shop\n",
    "call": "import importlib\nimportlib.import_module('shop.core.config')\nimport shop\n",
    "resources": "from importlib import resources\nresources.files('shop.core')\nimport shop\n",
}


@pytest.mark.parametrize("web", GRANDPARENTS.values(), ids=GRANDPARENTS)
@pytest.mark.parametrize("leaf", ["import shop\n", "from shop import NAME\n"])
def test_p5_packages_begin_before_what_is_in_them(
    tree: LiveTree, policy: str, web: str, leaf: str
) -> None:
    tree.write(
        {
            "shop/__init__.py": "NAME = 'n'\nfrom shop.core.config import RATE\n",
            "shop/core/__init__.py": "",
            "shop/core/config.py": f"{leaf}RATE = 1\n",
            "web.py": web,
        }
    )
    tree.install(policy=policy)
    assert tree.module("web").shop.RATE == 1
    for rate in (2, 3):
        tree.published({"shop/core/config.py": f"{leaf}RATE = {rate}\n"})
        shop = tree.module("web").shop
        assert (rate, rate) == (shop.RATE, shop.core.config.RATE)


def test_p5_a_new_submodule_hides_a_value_of_its_package(tree: LiveTree, policy: str) -> None:
    own = "tax = 5\ndef own():\n    return tax\n"
    tree.write({"shop/__init__.py": own, "app.py": "import shop\n"})
    tree.install(policy=policy)
    old = tree.module("app").shop
    with transfuse.pin():
        tree.published({"shop/tax.py": "RATE = 19\n", "app.py": "import shop.tax\n"})
        assert (old.tax, old.own()) == (5, 5)
        assert tree.module("app").shop is old
    shop = tree.module("app").shop
    assert (shop.tax.RATE, shop.own()) == (19, shop.tax)
    tree.delete("shop/tax.py")
    tree.published({"app.py": "import shop\n"})
    shop = tree.module("app").shop
    assert (shop.tax, shop.own()) == (5, 5)


def test_p5_a_submodule_that_an_attempt_loaded_before_its_package_ran_again(
    tree: LiveTree, policy: str
) -> None:
    every = "".join(
        f"try: import pack{name}\nexcept ImportError: pass\n"
        for name in ("", ".alpha", ".beta", ".sub.deep")
    )
    tree.write({"main.py": every, "pack/__init__.py": "import pack.alpha\n"})
    tree.write({"pack/alpha.py": "V = 1\n", "pack/beta.py": "", "pack/sub/deep.py": ""})
    tree.install(policy=policy)
    tree.module("main")
    tree.delete("pack/beta.py")
    tree.published()
    tree.published({"pack/alpha.py": "V = 2\n"})
    # Staging learns that other modules are affected, and begins again.
    text = "try: exec('import pack.sub.deep as deep; deep.R.append(1)')\nexcept Exception: pass\n"
    tree.published({"pack/__init__.py": text, "pack/beta.py": ""})
    assert tree.module("main").pack.beta is tree.module("pack.beta")
