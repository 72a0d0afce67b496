"""Which references lead to a new object where the old one stays?

A registry that the new code has filled, an object made at module level, a closure's cell: each may
refer to a new class or function whose old counterpart stays. One pass over everything that refers
to those (the collector's `get_referrers`) finds them.
"""

from __future__ import annotations

import gc
from types import CellType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfuse.patching.change import Change

    Kept = dict[int, tuple[Any, Any]]

# How many tuples within tuples are made anew.
_DEPTH = 4


def standing(kept: Kept, new: Any) -> Any:
    """Return the old object that stands for a new one, or the new one itself; tuples by item."""
    if id(new) in kept:
        return kept[id(new)][1]
    if type(new) is not tuple:
        return new
    items = tuple(standing(kept, item) for item in new)
    same = all(one is other for one, other in zip(items, new, strict=True))
    return new if same else items


def redirect(change: Change, kept: Kept, own: set[int]) -> None:
    """Write down that references to a new object become references to the old one.

    Args:
        change: the steps.
        kept: id of a new object -> it and the old one that stands for it.
        own: the ids of the namespaces that are compared, whose entries are set elsewhere.
    """
    ours = {id(change.steps), *own}
    pending = [new for new, _ in kept.values()]
    for _ in range(_DEPTH):
        tuples: list[Any] = []
        ours |= {id(pending), id(tuples), *map(id, kept.values())}
        # By `type`: `isinstance` would ask lazy objects for their class, and so evaluate them.
        for holder in gc.get_referrers(*pending) if pending else ():
            if type(holder) is tuple and id(holder) not in ours:
                tuples.append(holder)
            elif id(holder) not in ours and type(holder) is not FrameType:
                _redirect_in(change, kept, holder)
        for each in tuples:
            kept[id(each)] = (each, tuple(standing(kept, item) for item in each))
        pending = tuples


def _redirect_in(change: Change, kept: Kept, holder: Any) -> None:
    if type(holder) is dict:
        _redirect_in_dict(change, kept, holder)
    elif type(holder) is list:
        for index, value in enumerate(holder):
            if standing(kept, value) is not value:
                change.replace(holder, index, standing(kept, value))
    elif type(holder) is set:
        for value in list(holder):
            if standing(kept, value) is not value:
                change.exchange(holder, value, standing(kept, value))
    elif type(holder) is CellType:
        change.cell(holder, standing(kept, holder.cell_contents))
    elif issubclass(type(holder), type):
        bases = standing(kept, holder.__bases__)
        if bases is not holder.__bases__ and id(holder) not in kept:
            change.attribute(holder, "__bases__", bases)
    elif id(type(holder)) in kept:
        # An object that the new code made of a class whose old counterpart stays.
        change.kind(holder, standing(kept, type(holder)))


def _redirect_in_dict(change: Change, kept: Kept, holder: dict[Any, Any]) -> None:
    # The dict of a class is the class's own matter; `classes` has seen to it.
    if "__qualname__" in holder or "__module__" in holder:
        return
    for key, value in list(holder.items()):
        stays = standing(kept, value)
        if standing(kept, key) is not key:
            change.put(holder, standing(kept, key), stays)
            change.drop(holder, key)
        elif stays is not value:
            change.put(holder, key, stays)
