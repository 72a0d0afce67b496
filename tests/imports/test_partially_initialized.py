"""A submodule that is being loaded is no attribute of its package yet, in a circle as elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.interpreter import LIVE, python

if TYPE_CHECKING:
    from conftest import LiveTree

# The code of `pack.beta`, which runs while `pack.alpha`, its importer, is being loaded.
STATEMENTS = {
    "import": "import pack.alpha\npack.alpha.BEFORE",
    "import as": "import pack.alpha as it\nit.BEFORE",
    "from": "from pack import alpha\nalpha.BEFORE",
    "from import as": "from . import alpha as it\nit.BEFORE",
    "what is not there yet": "from . import alpha\nalpha.AFTER",
    "from, then the attribute": "from . import alpha\nimport pack.alpha\npack.alpha.BEFORE",
    "import as, then the attribute": "import pack.alpha as it\nimport pack\npack.alpha.BEFORE",
    "two names": "from . import alpha, other\nalpha.BEFORE + other.VALUE",
    "a name that is not there": "from . import alpha, nothing",
    "a name of the package": "from pack import alpha, PACK\nalpha.BEFORE + PACK",
    "below": "import pack.alpha.deep as it\nit.VALUE",
    "below, by from": "from pack.alpha import deep\ndeep.VALUE",
    "a call": "__import__('pack', fromlist=['alpha']).alpha",
    "a star": "from pack import *\nalpha.BEFORE",
    "a star, then the attribute": "import pack\ntry:\n    from pack import *\n"
    "except Exception: pass\npack.alpha",
}
ALPHA = "BEFORE = 1\nfrom .. import beta\nAFTER = 2\n"
ASK = """
import pack.alpha, pack.beta
print(pack.beta.FOUND, pack.alpha.AFTER)
"""


def beta(statement: str) -> str:
    body = "".join(f"    {line}\n" for line in statement.splitlines())
    return (
        f"try:\n{body}    FOUND = 'found'\nexcept Exception as e:\n    FOUND = type(e).__name__\n"
    )


def files(statement: str) -> dict[str, str]:
    return {
        "pack/__init__.py": "PACK = 1\n__all__ = ['alpha']\n",
        "pack/alpha/__init__.py": ALPHA,
        "pack/alpha/deep.py": "VALUE = 1\n",
        "pack/other.py": "VALUE = 1\n",
        "pack/beta.py": beta(statement),
    }


@pytest.mark.parametrize("way", STATEMENTS)
def test_p5_a_half_loaded_submodule_is_where_a_fresh_process_finds_it(
    tree: LiveTree, way: str
) -> None:
    tree.write(files(STATEMENTS[way]))
    assert python(tree.root, LIVE, ASK) == python(tree.root, ASK)


@pytest.mark.parametrize("way", STATEMENTS)
def test_p5_and_so_it_is_in_an_update(tree: LiveTree, way: str) -> None:
    tree.write({**files(STATEMENTS[way]), "pack/beta.py": "FOUND = 'nothing yet'\n"})
    tree.install(policy="fresh")  # The other policy leaves the old `AFTER`.
    old = tree.module("pack.alpha")
    assert tree.module("pack").alpha is old
    # The package does not run again: for older work the old submodule is its attribute.
    tree.published({"pack/beta.py": beta(STATEMENTS[way]), "pack/alpha/__init__.py": ALPHA + "#"})
    told = f"{tree.module('pack.beta').FOUND} {tree.module('pack.alpha').AFTER}"
    assert [told] == python(tree.root, ASK)
    assert tree.module("pack").alpha is tree.module("pack.alpha")
