"""A module that runs again lists the submodules of a package that a fresh process has by then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import LiveTree, ran

LISTS = {
    "dir": "import shop\nFOUND = [n for n in dir(shop) if n in NAMES]\n",
    "another name": "import shop as s\nFOUND = [n for n in dir(s) if n in NAMES]\n",
    "getmembers": "import inspect, shop\n"
    "FOUND = [n for n, _ in inspect.getmembers(shop, inspect.ismodule) if n in NAMES]\n",
    "star": "from shop import *\nFOUND = [n for n in NAMES if n in globals()]\n",
    "in a function": "import shop\ndef find():\n    return [n for n in dir(shop) if n in NAMES]\n"
    "FOUND = find()\n",
    "after an import": "import shop, other\nFOUND = [n for n in dir(shop) if n in NAMES]\n",
    "of itself": "import shop, shop.views\nFOUND = [n for n in dir(shop) if n in NAMES]\n",
}
HEAD = "NAMES = ['prices', 'tax', 'views']\n"


def files(lists: str) -> dict[str, str]:
    return {
        "shop/__init__.py": "",
        "shop/prices.py": "",
        "shop/tax.py": "",
        "shop/views.py": "",
        "other.py": "import shop.tax\n",
        "report.py": HEAD + lists,
        "app.py": "import shop.prices\nimport report\nimport shop.views\nimport other\n"
        "def late():\n    import shop.tax\n",
    }


def fresh(tree: LiveTree) -> str:
    code = "import app; print(app.report.FOUND)"
    run = [sys.executable, "-B", "-c", code]
    return subprocess.run(
        run, cwd=tree.root, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_p5_submodules_that_come_later(tree: LiveTree, policy: str, lists: str) -> None:
    tree.write(files(lists))
    tree.install(policy=policy)
    tree.module("app").late()
    expected = fresh(tree)
    assert expected == str(tree.module("report").FOUND)
    for edition in (2, 3):
        report = tree.published({"report.py": HEAD + lists + f"EDITION = {edition}\n"})
        assert ran(report) == ["report", "app"]
        assert expected == str(tree.module("report").FOUND)
        # They are there for all others.
        assert {"prices", "tax", "views"} <= set(vars(tree.module("shop")))


def test_p5_submodules_that_an_edit_makes_earlier(tree: LiveTree, policy: str) -> None:
    tree.write(files(LISTS["dir"]))
    tree.install(policy=policy)
    tree.module("app")
    assert tree.module("report").FOUND == ["prices"]
    tree.published({"report.py": HEAD + "import other\n" + LISTS["dir"]})
    assert tree.module("report").FOUND == ["prices", "tax"]


def test_p4_a_refused_update_leaves_the_package_whole(tree: LiveTree) -> None:
    tree.write(files(LISTS["dir"]))
    tree.install()
    tree.module("app")
    assert not tree.update({"report.py": HEAD + LISTS["dir"] + "raise ValueError\n"}).ok
    assert {"prices", "tax", "views"} <= set(vars(tree.module("shop")))


def test_p5_a_submodule_that_came_with_a_name_from_elsewhere_is_listed(
    tree: LiveTree, policy: str
) -> None:
    """`main` takes of `gather` what is from `things`; `gather` has imported `pk.late`, too."""
    lister = "import pk\nNAMES = [name for name in dir(pk) if name == 'late']\n"
    tree.write(
        {
            "pk/__init__.py": "",
            "pk/late.py": "",
            "things.py": "class Thing: pass\n",
            "gather.py": "import pk.late\nfrom things import Thing\n",
            "lister.py": lister,
            "main.py": "import lister\nfrom gather import Thing\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("main").lister.NAMES == []
    tree.published(
        {"main.py": "from gather import Thing\nimport lister\n", "lister.py": f"{lister}V = 2\n"}
    )
    assert tree.module("main").lister.NAMES == ["late"]


def test_p5_a_package_that_runs_again_is_listed_as_far_as_it_is_loaded(
    tree: LiveTree, policy: str
) -> None:
    tree.write(
        {
            "main.py": "import pk.sub, pk.late\n",
            "pk/__init__.py": "import functools\n",
            "pk/late.py": "",
            "pk/sub.py": "import inspect, pk\n"
            "NAMES = [name for name, _ in inspect.getmembers(pk, inspect.ismodule)]\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("main").pk.sub.NAMES == ["functools"]
    tree.published({"pk/__init__.py": "import functools, json\n"})
    assert tree.module("main").pk.sub.NAMES == ["functools", "json"]
    assert "late" in dir(tree.module("main").pk)
