"""P6: a name deleted from the source, or a deleted file, is not reachable afterwards."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran

# A name that the old source has and the new one lacks.
BINDINGS = {
    "function": "def gone(): return 1\n",
    "class": "class gone: pass\n",
    "value": "gone = 1\n",
    "annotated": "gone: int = 1\n",
    "import": "import json as gone\n",
    "live import": "from kept import VALUE as gone\n",
    "star import": "from starred import *\n",
    "loop": "for gone in [1]: pass\n",
    "with": "import io\nwith io.StringIO() as gone: pass\n",
    "unpacked": "gone, other = 1, 2\n",
    "under an if": "if kept.VALUE:\n    gone = 1\n",
    "walrus": "(gone := 1)\n",
    "global statement at module level": "global gone\ngone = 1\n",
}


@pytest.mark.parametrize("binding", BINDINGS)
def test_p6_a_name_that_left_the_source(tree: LiveTree, policy: str, binding: str) -> None:
    common = "import kept\nVALUE = 1\n"
    tree.write(
        {
            "kept.py": "VALUE = 1\n",
            "starred.py": "gone = 1\n",
            "prices.py": common + BINDINGS[binding],
        }
    )
    tree.install(policy=policy)
    facade = importlib.import_module("prices")
    assert hasattr(tree.module("prices"), "gone")
    assert hasattr(facade, "gone")
    tree.published({"prices.py": common})
    for module in (tree.module("prices"), facade, sys.modules["prices"]):
        assert not hasattr(module, "gone")
        assert "gone" not in vars(module)
        assert "gone" not in dir(module)
    with pytest.raises(ImportError, match="gone"):
        exec("from prices import gone", {})


def test_p6_what_functions_bound_is_data_and_stays(tree: LiveTree) -> None:
    source = "def fill():\n    global cache\n    cache = [1]\n# {}\n"
    tree.write({"prices.py": source.format(1)})
    tree.install()
    tree.module("prices").fill()
    tree.published({"prices.py": source.format(2)})
    assert tree.module("prices").cache == [1]


def test_p6_an_importer_of_a_deleted_name_keeps_all_back(tree: LiveTree, policy: str) -> None:
    tree.write({"prices.py": "def gone(): return 1\n", "web.py": "from prices import gone\n"})
    tree.install(policy=policy)
    tree.module("web")
    report = tree.update({"prices.py": "VALUE = 1\n"})
    assert (report.outcome, isinstance(report.error, ImportError)) == ("refused", True)
    assert tree.module("web").gone() == 1
    tree.published({"web.py": "import prices\n"})
    assert not hasattr(tree.module("prices"), "gone")
    assert not hasattr(tree.module("web"), "gone")


ASKING = {
    "import": "import shop.prices",
    "import as": "import shop.prices as p",
    "from package": "from shop import prices",
    "from module": "from shop.prices import TEA",
    "star": "from shop.prices import *",
    "function": "import importlib; importlib.import_module('shop.prices')",
    "top": "import top",
    "from top": "from top import TEA",
    "top by function": "from importlib import import_module; import_module('top')",
}


@pytest.mark.parametrize("asking", ASKING)
def test_p6_who_still_imports_a_deleted_file_is_told(
    tree: LiveTree, policy: str, asking: str
) -> None:
    web = f"{ASKING[asking]}\n"
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/prices.py": "TEA = 3\n",
            "top.py": "TEA = 3\n",
            "web.py": web,
        }
    )
    tree.install(policy=policy)
    before = tree.module("web")
    tree.delete("shop/prices.py" if "shop" in web else "top.py")
    report = transfuse.update()
    assert (report.outcome, isinstance(report.error, ImportError)) == ("refused", True)
    assert before is tree.module("web")
    tree.published(
        {"web.py": f"try:\n    {web}    found = True\nexcept ImportError:\n    found = False\n"}
    )
    assert tree.module("web").found is False


def absent(name: str) -> None:
    """Assert that no name or file leads to the module any more."""
    assert name not in sys.modules
    for ask in (importlib.import_module, transfuse.import_module, __import__):
        with pytest.raises(ModuleNotFoundError, match=re.escape(name)):
            ask(name)
    package, _, tail = name.rpartition(".")
    if package:
        parent: Any = importlib.import_module(package)
        for module in (parent, transfuse.import_module(package)):
            assert not hasattr(module, tail)
            assert tail not in dir(module)
            assert tail not in vars(module)
        with pytest.raises(ImportError, match=tail):
            exec(f"from {package} import {tail}", {})


@pytest.mark.parametrize("keep", [0, 3])
def test_p6_a_deleted_file(tree: LiveTree, policy: str, keep: int) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy, keep=keep)
    tree.module("prices")
    tree.delete("prices.py")
    tree.published()
    absent("prices")


@pytest.mark.parametrize("keep", [0, 3])
def test_p6_a_deleted_submodule(tree: LiveTree, policy: str, keep: int) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "TEA = 3\n", "shop/tax.py": "RATE = 1\n"})
    tree.install(policy=policy, keep=keep)
    tree.module("shop.prices"), tree.module("shop.tax")
    tree.delete("shop/prices.py")
    tree.published()
    absent("shop.prices")
    assert tree.module("shop").tax.RATE == 1


def test_p6_a_submodule_that_its_package_imports(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "shop/__init__.py": "from shop import prices\nfrom shop.prices import TEA\n",
            "shop/prices.py": "TEA = 3\n",
        }
    )
    tree.install(policy=policy)
    tree.module("shop")
    tree.delete("shop/prices.py")
    assert transfuse.update().outcome == "refused"
    assert tree.module("shop").prices.TEA == 3
    tree.published({"shop/__init__.py": ""})
    absent("shop.prices")
    assert not hasattr(tree.module("shop"), "TEA")


def test_p6_a_deleted_package(tree: LiveTree, policy: str) -> None:
    tree.write({"shop/__init__.py": "", "shop/deep/__init__.py": "", "shop/deep/prices.py": ""})
    tree.install(policy=policy)
    tree.module("shop.deep.prices")
    shutil.rmtree(tree.root / "shop" / "deep")
    tree.published()
    absent("shop.deep")
    assert "shop.deep.prices" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match=r"shop\.deep"):
        importlib.import_module("shop.deep.prices")


def test_p6_a_module_becomes_a_package_and_back(tree: LiveTree, policy: str) -> None:
    tree.write({"shop.py": "KIND = 'module'\n", "web.py": "import shop\nKIND = shop.KIND\n"})
    tree.install(policy=policy)
    assert tree.module("web").KIND == "module"
    tree.delete("shop.py")
    report = tree.published({"shop/__init__.py": "KIND = 'package'\n", "shop/tax.py": "RATE = 1\n"})
    assert ran(report) == ["shop", "web"]
    assert (tree.module("web").KIND, tree.module("shop.tax").RATE) == ("package", 1)
    shutil.rmtree(tree.root / "shop")
    tree.published({"shop.py": "KIND = 'module'\n"})
    assert tree.module("web").KIND == "module"
    assert not hasattr(tree.module("shop"), "__path__")
    with pytest.raises(ModuleNotFoundError):
        tree.module("shop.tax")


def test_p6_who_is_pinned_to_the_old_still_reaches_it(tree: LiveTree, policy: str) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "TEA = 3\n"})
    tree.install(policy=policy)
    tree.module("shop.prices")
    with transfuse.pin():
        tree.delete("shop/prices.py")
        tree.published()
        assert tree.module("shop.prices").TEA == tree.module("shop").prices.TEA == 3
        exec("from shop import prices\nassert prices.TEA == 3", {})
    transfuse.update()
    absent("shop.prices")


def test_p6_a_file_that_comes_back_is_loaded_afresh(tree: LiveTree, policy: str) -> None:
    source = "count = globals().get('count', 0) + 1\n"
    tree.write({"prices.py": source})
    tree.install(policy=policy)
    tree.module("prices")
    tree.delete("prices.py")
    tree.published()
    tree.write({"prices.py": source})
    transfuse.update()
    assert tree.module("prices").count == 1
