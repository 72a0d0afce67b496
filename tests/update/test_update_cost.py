"""P12 in a large application: an update runs the leaf and its importers, however much there is."""

from __future__ import annotations

import pytest

import transfuse
from bench.application import CONCERNED, LEAF, MAIN, leaf_source, write_application
from conftest import LiveTree, ran


@pytest.mark.parametrize("modules", [200, 2000])
def test_p12_only_the_leaf_and_its_importers_run(tree: LiveTree, modules: int) -> None:
    write_application(tree.root, modules)
    tree.install()
    tree.module(MAIN)
    assert modules == transfuse.status().modules

    report = tree.published({"app/leaf.py": leaf_source(1)})

    assert sorted(CONCERNED) == sorted(ran(report))
    assert ran(report)[0] == LEAF
    assert ran(report)[-1] == MAIN
    assert tree.module("app.front.one").TAKEN == 1
    assert modules == transfuse.status().modules
