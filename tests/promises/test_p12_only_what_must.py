"""P12: an update runs the changed modules and their importers up to a boundary, and no other."""

from __future__ import annotations

from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran

SAY = "import outside\noutside.ran.append(__name__)\n"
# Each module's imports at module level.
GRAPH = {
    "leaf": [],
    "other_leaf": [],
    "mid": ["leaf"],
    "other_mid": ["other_leaf"],
    "both": ["mid", "other_mid"],
    "app": ["both"],
    "aside": [],
    "lazy": [],
}


def module(name: str, value: int = 0) -> str:
    imports = "".join(f"import {each}\n" for each in GRAPH[name])
    late = "def late():\n    import leaf\n    return leaf.VALUE\n" if name == "lazy" else ""
    return f"{SAY}{imports}VALUE = {value}\nclass Thing: pass\n{late}"


CHANGED = {
    "leaf": ["leaf", "mid", "both", "app"],
    "other_leaf": ["other_leaf", "other_mid", "both", "app"],
    "mid": ["mid", "both", "app"],
    "app": ["app"],
    "aside": ["aside"],
    "lazy": ["lazy"],
}


@pytest.mark.parametrize("changed", CHANGED)
def test_p12_the_changed_and_their_importers_run(
    tree: LiveTree, policy: str, outside: Any, changed: str
) -> None:
    tree.write({f"{name}.py": module(name) for name in GRAPH})
    tree.install(policy=policy)
    for name in GRAPH:
        tree.module(name)
    tree.module("lazy").late()
    before = {name: (tree.module(name), tree.module(name).Thing) for name in GRAPH}
    outside.ran.clear()
    report = tree.published({f"{changed}.py": module(changed, 1)})
    assert CHANGED[changed] == outside.ran == ran(report)
    after = {name: (tree.module(name), tree.module(name).Thing) for name in GRAPH}
    same = {name for name in GRAPH if before[name] == after[name]}
    assert set(GRAPH) - set(CHANGED[changed]) == same
    assert tree.module("lazy").late() == (1 if changed == "leaf" else 0)


def test_p12_the_reasons_are_told(tree: LiveTree) -> None:
    tree.write({f"{name}.py": module(name).replace(SAY, "") for name in GRAPH})
    tree.install()
    tree.module("app")
    report = tree.published({"leaf.py": "VALUE = 1\n"})
    assert [(step.name, step.reason) for step in report.ran] == [
        ("leaf", "changed"),
        ("mid", "imports leaf"),
        ("both", "imports mid"),
        ("app", "imports both"),
    ]


def test_p12_a_file_that_nobody_loaded_runs_nothing(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"app.py": SAY, "unused.py": SAY})
    tree.install(policy=policy)
    tree.module("app")
    outside.ran.clear()
    report = tree.update({"unused.py": SAY + "# changed\n", "new.py": SAY, "notes.txt": "hello"})
    assert (ran(report), outside.ran) == ([], [])
    assert report.outcome in ("published", "unchanged")


def test_p12_a_boundary_ends_it(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "leaf.py": SAY + "VALUE = 1\n",
            "wall.py": SAY + "__reload__ = 'never'\nimport leaf\n",
            "app.py": SAY + "import wall\n",
        }
    )
    tree.install()
    app, wall = tree.module("app"), tree.module("wall")
    outside.ran.clear()
    report = tree.published({"leaf.py": SAY + "VALUE = 2\n"})
    assert ["leaf"] == outside.ran == ran(report)
    assert (app, wall) == (tree.module("app"), tree.module("wall"))
    assert (wall.leaf.VALUE, tree.module("leaf").VALUE) == (1, 2)


@pytest.mark.parametrize("size", [20, 400])
def test_p12_the_size_of_the_application_does_not_count(
    tree: LiveTree, policy: str, outside: Any, size: int
) -> None:
    tree.write({f"m{number}.py": f"{SAY}import m{number - 1}\n" for number in range(1, size)})
    tree.write({"m0.py": SAY, "leaf.py": SAY, "app.py": f"{SAY}import leaf, m{size - 1}\n"})
    tree.install(policy=policy)
    tree.module("app")
    assert size + 2 == len(outside.ran) == transfuse.status().modules
    outside.ran.clear()
    report = tree.published({"leaf.py": SAY + "# changed\n"})
    assert (["app", "leaf"], ["leaf", "app"]) == (outside.ran, ran(report))


def test_p12_a_submodule_runs_without_its_package(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write(
        {
            "shop/__init__.py": SAY,
            "shop/prices.py": SAY + "VALUE = 1\n",
            "shop/tax.py": SAY,
            "web.py": SAY + "import shop.prices, shop.tax\n",
        }
    )
    tree.install(policy=policy)
    tree.module("web")
    shop, tax = tree.module("shop"), tree.module("shop.tax")
    outside.ran.clear()
    tree.published({"shop/prices.py": SAY + "VALUE = 2\n"})
    assert outside.ran == ["web", "shop.prices"]
    assert (shop, tax) == (tree.module("shop"), tree.module("shop.tax"))
    assert tree.module("shop").prices.VALUE == 2
