"""A module that went on without an import that failed runs again when that import may succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

APP = "try:\n    import fast\nexcept ImportError:\n    fast = None\nRUNS = []\n"

# A module that does not load, and the edit that repairs it.
REASONS = {
    "its own import": ({"fast.py": "import sped_up\n"}, {"fast.py": "SPEED = 2\n"}),
    "what it misses": ({"fast.py": "from sped_up import SPEED\n"}, {"sped_up.py": "SPEED = 2\n"}),
    "what it imports lacks a name": (
        {"fast.py": "from tables import SPEED\n", "tables.py": ""},
        {"tables.py": "SPEED = 2\n"},
    ),
    "what it reads": (
        {
            "fast.py": "from pathlib import Path\n"
            "flag = Path(__file__).with_name('flag').read_text()\n"
            "if flag == 'off':\n    raise ImportError\n"
            "SPEED = 2\n",
            "flag": "off",
        },
        {"flag": "on"},
    ),
    "two levels down": (
        {"fast.py": "from middle import SPEED\n", "middle.py": "from sped_up import SPEED\n"},
        {"sped_up.py": "SPEED = 2\n"},
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_p5_a_fallback_is_taken_back(tree: LiveTree, reason: str) -> None:
    before, after = REASONS[reason]
    tree.write({"app.py": APP, "bystander.py": "", **before})
    tree.install()
    assert tree.module("app").fast is None
    tree.module("bystander")
    report = tree.published(after)
    assert tree.module("app").fast.SPEED == 2
    assert "app" in ran(report)
    assert "bystander" not in ran(report)


def test_the_plan_says_why(tree: LiveTree) -> None:
    tree.write({"app.py": APP, **REASONS["its own import"][0]})
    tree.install()
    tree.module("app")
    report = tree.published(REASONS["its own import"][1])
    reasons = {each.name: each.reason for each in report.ran}
    assert reasons["app"] == "went on without fast, which has changed"


def test_p5_a_star_takes_a_submodule_that_generations_do_not_share(tree: LiveTree) -> None:
    """The first generation, which is still in use, knows the package without that submodule."""
    tree.write({"pack/__init__.py": "", "app.py": "import pack\nVERSION = 1\n"})
    tree.install()
    tree.module("app")
    tree.published(
        {"pack/alpha.py": "", "app.py": "import pack.alpha\nfrom pack import *\nVERSION = 2\n"}
    )
    app = tree.module("app")
    assert app.alpha is tree.module("pack.alpha")


ASKS = "import importlib.util\nHAS = importlib.util.find_spec({name!r}) is not None\n"


@pytest.mark.parametrize(
    ("name", "file"),
    [("fast", "fast.py"), ("fast", "fast/__init__.py"), ("pack.fast", "pack/fast.py")],
)
def test_p5_who_asks_whether_there_is_a_module_asks_again(
    tree: LiveTree, name: str, file: str, policy: str
) -> None:
    """By `find_spec`, without importing it."""
    tree.write({"app.py": ASKS.format(name=name), "bystander.py": "", "pack/__init__.py": ""})
    tree.install(policy=policy)
    assert tree.module("app").HAS is False
    tree.module("bystander")
    report = tree.published({file: ""})
    assert tree.module("app").HAS is True
    assert ran(report) == ["app"]
    tree.delete(file)
    if file.endswith("__init__.py"):
        (tree.root / file).parent.rmdir()  # an empty folder is a namespace package
    assert ran(tree.published()) == ["app"]
    assert tree.module("app").HAS is False


def test_p5_a_module_inside_a_package_that_failed_does_not_run_that_package(
    tree: LiveTree, policy: str
) -> None:
    """An optional part of an application, whose requirement is not installed."""
    package = "import pack.part\n{}\n"
    optional = "try:\n    import pack\nexcept ImportError:\n    pack = None\n"
    tree.write(
        {
            "rate.py": "RATE = 1\n",
            "pack/__init__.py": package.format("import not_installed"),
            "pack/part.py": "from rate import RATE\n",
            "app.py": optional,
            "shop.py": "from rate import RATE\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("app").pack is None
    assert tree.module("shop").RATE == 1
    tree.published({"rate.py": "RATE = 2\n"})
    assert (tree.module("app").pack, tree.module("shop").RATE) == (None, 2)
    # With the requirement, it is as in a fresh process.
    tree.published({"pack/__init__.py": package.format("")})
    assert tree.module("app").pack.part.RATE == 2
    tree.published({"rate.py": "RATE = 3\n"})
    assert tree.module("app").pack.part.RATE == 3
