"""Which objects of former executions are held from outside? A count, without a search of the heap.

As in the cycle collector: of the references to each object those are subtracted that the former
namespaces, and all that only these lead to, account for. References that remain are held elsewhere.
"""

from __future__ import annotations

import gc
import sys
import sysconfig
import weakref
from typing import TYPE_CHECKING, Any

from transfuse.registrations.made import is_namespace, is_passed_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfuse.registrations.made import Made

# The most objects that references are followed from. Those of others count as held from outside.
_MOST = 8_000
# References to functions and classes are not counted there while they live.
_UNCOUNTED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def held_outside(seeds: Iterable[Any], made: Made) -> tuple[list[Any], set[int]]:
    """Return the objects that executions made and that are held from outside.

    A namespace stands for functions that only others hold. A weak reference to such an object is
    one of them.

    Args:
        seeds: the modules of the executions, and objects whose references are known as well.
        made: recognizes the objects of the executions.

    Returns:
        These objects, and the ids of all objects that only the executions hold.
    """
    count = _Count(made)
    count.follow(seeds)
    return count.outside()


class _Count:
    """References, counted from objects that are known."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._objects: list[Any] = []
        # Each parallel to the objects: the references that are accounted for, and whether it is a
        # seed. id -> index.
        self._known: list[int] = []
        self._seeds = 0
        self._index: dict[int, int] = {}
        # ids of the weak references to objects of the executions.
        self._weak: set[int] = set()

    def follow(self, seeds: Iterable[Any]) -> None:
        """Count the references of all that the seeds lead to."""
        for each in seeds:
            if id(each) not in self._index:
                self._add(each)
        self._seeds = len(self._objects)
        # Grows meanwhile.
        for at, each in enumerate(self._objects):
            if at >= _MOST:
                break
            for referent in gc.get_referents(each):
                index = self._index.get(id(referent))
                if index is None and self._is_followed(referent):
                    index = self._add(referent)
                if index is not None:
                    self._known[index] += 1

    def _add(self, each: Any) -> int:
        index = self._index[id(each)] = len(self._objects)
        self._objects.append(each)
        self._known.append(0)
        if self._made.key(each) is not None:
            self._add_weak_references(each)
        return index

    def _add_weak_references(self, each: Any) -> None:
        for reference in weakref.getweakrefs(each):
            self._weak.add(id(reference))
            if id(reference) not in self._index:
                index = self._add(reference)
                if reference.__callback__ is None and issubclass(type(each), type):
                    # Each base lists its subclasses, unseen by the collector.
                    self._known[index] += len(each.__bases__)

    def _is_followed(self, each: Any) -> bool:
        if not gc.is_tracked(each):
            return False
        if issubclass(type(each), type):
            return id(each) in self._made.classes
        if type(each) is dict and is_namespace(each):
            return id(each) in self._made.names
        return not is_passed_by(each)

    def outside(self) -> tuple[list[Any], set[int]]:
        """Return the objects of the executions that are held from outside, and ids of others."""
        pending = self._unaccounted()
        seen = set(pending)
        found = []
        while pending:
            each = self._objects[pending.pop()]
            if id(each) in self._made.names:
                found.append(each)
                # Its values are held by it, which is known.
                continue
            if self._made.key(each) is not None or id(each) in self._weak:
                found.append(each)
            referents = gc.get_referents(each)
            if issubclass(type(each), weakref.ReferenceType):
                referents.append(weakref.ReferenceType.__call__(each))
            for referent in referents:
                index = self._index.get(id(referent))
                if index is not None and index not in seen and id(referent) not in self._made.names:
                    seen.add(index)
                    pending.append(index)
        inside = {id(each) for at, each in enumerate(self._objects[:_MOST]) if at not in seen}
        return found, inside

    def _unaccounted(self) -> list[int]:
        if _UNCOUNTED:
            return list(range(self._seeds, len(self._objects)))
        # The references from the list at hand and from the call.
        own = next(map(sys.getrefcount, [object()]))
        counts = map(sys.getrefcount, self._objects)
        return [
            index
            for index, (count, known) in enumerate(zip(counts, self._known, strict=True))
            if index >= self._seeds and count - own > known
        ]
