"""`overlay` carries what functions imported and keep, and no name that an import bound."""

from __future__ import annotations

from conftest import LiveTree, ran


def test_overlay_carries_no_name_that_an_import_bound(tree: LiveTree) -> None:
    tree.write(
        {
            "extra.py": "RATE = 5\n",
            "prices.py": "try: from extra import RATE\nexcept ImportError: pass\n",
        }
    )
    tree.install()
    assert tree.module("prices").RATE == 5
    tree.delete("extra.py")
    tree.published()
    assert not hasattr(tree.module("prices"), "RATE")


def test_overlay_carries_what_functions_imported_as_long_as_that_is_served(tree: LiveTree) -> None:
    prices = """
        import rates
        def tool():
            global kept
            if "kept" not in globals():
                from helpers import Tool
                kept = Tool()
            return kept.kind
        """
    tree.write({"helpers.py": "class Tool: kind = 1\n", "rates.py": "", "prices.py": prices})
    tree.install()
    assert tree.module("prices").tool() == 1
    # The module runs for another reason, and its function imports nothing again.
    kept = tree.module("prices").kept
    tree.published({"rates.py": "A = 1\n"})
    assert tree.module("prices").tool() == 1
    assert tree.module("prices").kept is kept
    report = tree.published({"helpers.py": "class Tool: kind = 2\n"})
    assert set(ran(report)) == {"helpers", "prices"}
    assert tree.module("prices").tool() == 2


def test_overlay_lets_a_package_import_what_it_has_called_otherwise(tree: LiveTree) -> None:
    tree.write({"main.py": "import two\n", "two.py": "import pack\n"})
    tree.write({"pack/__init__.py": "from . import alpha\nalpha = 5\n"})
    tree.write({"pack/alpha.py": "import main\n"})
    tree.install()
    assert tree.module("main").two.pack.alpha == 5
    tree.published({"main.py": "import pack.alpha\n"})
    assert tree.module("pack").alpha == 5


def test_p6_a_star_import_of_an_unchanged_module_takes_the_names_of_today(tree: LiveTree) -> None:
    # The names that the code of `prices` uses are read once for all of its executions.
    tree.write({"rates.py": "LOW = 1\n", "prices.py": "from rates import *\n"})
    tree.install()
    assert tree.module("prices").LOW == 1
    for name, former in (("MIDDLE", "LOW"), ("HIGH", "MIDDLE")):
        report = tree.published({"rates.py": f"{name} = 2\n"})
        assert set(ran(report)) == {"rates", "prices"}
        assert getattr(tree.module("prices"), name) == 2
        assert not hasattr(tree.module("prices"), former)


def test_p7_a_name_that_is_carried_is_bound_by_the_next_execution(tree: LiveTree) -> None:
    prices = "import rates\ncache = [rates.RATE]\n"
    tree.write({"rates.py": "RATE = 1\n", "prices.py": f"__preserve__ = ['cache']\n{prices}"})
    tree.install()
    kept = tree.module("prices").cache
    for number in (2, 3):
        tree.published({"rates.py": f"RATE = {number}\n"})
        assert tree.module("prices").cache is kept
    tree.published({"prices.py": prices})
    assert tree.module("prices").cache == [3]
