"""Compares modules with their new source, and returns the steps that change them in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse.patching.change import Change
from transfuse.patching.classes import merge_class
from transfuse.patching.merge import Merge, Run
from transfuse.patching.references import redirect, standing

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import ModuleType


def prepare(runs: list[tuple[str, ModuleType, ModuleType, Collection[str]]]) -> Change:
    """Compare modules with their new source, all of them together.

    Args:
        runs: the fields of a `Run` for each module, in the order in which they ran.

    Returns:
        The steps to take, none of which was taken, and notes on the rest.
    """
    change = Change()
    kept: dict[int, tuple[Any, Any]] = {}
    merges = [Merge(Run(*each), change, kept, merge_class) for each in runs]
    for merge in merges:
        merge.compare()
    own = {id(each) for merge in merges for each in (merge.values, merge.new, merge.old)}
    redirect(change, kept, own)
    for merge in merges:
        merge.conclude()
    change.settle(lambda value: standing(kept, value))
    return change
