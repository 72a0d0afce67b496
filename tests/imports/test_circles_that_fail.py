"""Circular imports that fail under plain Python fail in the same way, and leave the same behind."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

NOT_YET = {
    "pack/__init__.py": "import pack.beta\n",
    "pack/beta.py": "import pack.beta\nSAME = pack.beta\n",
}


def test_a_submodule_that_is_being_loaded_is_no_attribute_of_its_package(tree: LiveTree) -> None:
    tree.write(NOT_YET)
    tree.install()
    with pytest.raises(AttributeError, match="has no attribute 'beta'"):
        importlib.import_module("pack")


@pytest.mark.parametrize("taken", ["import pack.beta as beta", "from pack import beta"])
def test_whoever_takes_it_gets_it(tree: LiveTree, taken: str) -> None:
    tree.write({**NOT_YET, "pack/beta.py": f"{taken}\nSAME = beta\n"})
    tree.install()
    beta = tree.module("pack.beta")
    assert beta.SAME is beta


@pytest.mark.parametrize("taken", ["import pack.beta as beta", "from pack import beta"])
def test_what_failed_is_an_attribute_of_its_package_no_longer(tree: LiveTree, taken: str) -> None:
    """Importers that took it half-way keep what they took. Reading it does not run it again."""
    tree.write(
        {
            "pack/__init__.py": "RUNS = []\n",
            "pack/beta.py": "from pack import RUNS\nRUNS.append(1)\nimport pack.other\n1 / 0\n",
            "pack/other.py": f"{taken}\n",
        }
    )
    tree.install()
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("pack.beta")
    pack = importlib.import_module("pack")
    assert "beta" not in dir(pack)
    assert "pack.beta" not in sys.modules
    assert pack.other.beta.__name__ == "pack.beta"
    assert pack.RUNS == [1]


def test_p5_who_keeps_a_half_loaded_module_that_failed_runs_again(tree: LiveTree) -> None:
    tree.write({"main.py": "import pack.alpha\n", "pack/__init__.py": "import main\n"})
    tree.install()
    with pytest.raises(ModuleNotFoundError, match=r"pack\.alpha"):
        tree.module("main")
    assert tree.module("pack").main.__name__ == "main"
    report = tree.published({"pack/alpha.py": ""})
    assert ran(report) == ["pack"]
    main, pack = tree.module("main"), tree.module("pack")
    assert vars(pack.main) is vars(main)


def test_p5_a_package_that_failed_has_what_it_had_loaded_for_attributes(tree: LiveTree) -> None:
    tree.write({"pack/__init__.py": "import pack.beta\nfrom . import alpha\n", "pack/beta.py": ""})
    tree.install()
    with pytest.raises(ImportError, match="alpha"):
        tree.module("pack")
    beta = sys.modules["pack.beta"]
    tree.published({"pack/alpha.py": ""})
    pack = tree.module("pack")
    assert (pack.beta.__name__, pack.alpha.__name__) == ("pack.beta", "pack.alpha")
    assert vars(beta) is vars(pack.beta)
