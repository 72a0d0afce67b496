"""P8: modules that are no longer used are collected."""

from __future__ import annotations

import gc
import types
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LiveTree

# Two modules that import each other inside functions only.
LAZY = """\
class {0}:
    def other(self):
        import {1}
        return {1}
"""
PAIR = {"left.py": LAZY.format("Left", "right"), "right.py": LAZY.format("Right", "left")}


def instances(tree: LiveTree) -> list[str]:
    """Every execution of the two that is in memory after one collection."""
    gc.collect()
    modules = [each for each in gc.get_objects() if type(each) is types.ModuleType]
    files = {str(tree.root / name) for name in PAIR}
    return sorted(each.__name__ for each in modules if getattr(each, "__file__", None) in files)


def edited(tree: LiveTree, times: int) -> None:
    for number in range(times):
        for file, text in PAIR.items():
            tree.published({file: f"{text}# {number}\n"})


def test_p8_what_somebody_holds_does_not_hold_what_came_after(tree: LiveTree) -> None:
    """A class of the first generation, kept by foreign code, keeps its own module and no other."""
    tree.write(PAIR)
    tree.install(policy="fresh", keep=0)
    held = [tree.module("left").Left]
    held[0]().other()
    edited(tree, 10)
    assert instances(tree) == ["left", "left", "right"]
    held.clear()
    assert instances(tree) == ["left", "right"]


def test_p8_old_code_finds_its_own_again(tree: LiveTree) -> None:
    """The old `right` was collected: the old `left` loads it again, from the source it last had."""
    tree.write(PAIR)
    tree.install(policy="fresh", keep=0)
    held = [tree.module("left").Left]
    held[0]().other()
    tree.published({"right.py": PAIR["right.py"] + "STAMP = 1\n"})
    edited(tree, 3)
    right = held[0]().other()
    assert right.STAMP == 1
    assert right is held[0]().other()
    assert not hasattr(tree.module("right"), "STAMP")
    del right
    held.clear()
    assert instances(tree) == ["left", "right"]


@pytest.mark.parametrize("keep", [0, 2])
def test_p8_what_was_imported_inside_a_function_goes_like_the_rest(
    tree: LiveTree, keep: int
) -> None:
    tree.write(PAIR)
    tree.install(policy="fresh", keep=keep)
    tree.module("left").Left().other()
    edited(tree, 5)
    tree.module("left").Left().other()
    assert len(instances(tree)) == 2 + keep
