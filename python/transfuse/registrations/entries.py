"""The entries of a container: which objects of executions does each hold, and how does it leave?"""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict, deque
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from transfuse.registrations.made import (
    is_attributes_of,
    is_container,
    is_namespace,
    is_passed_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_K = TypeVar("_K")
# How far an entry is looked into (a wrapper, a cell, a function), and at how many objects.
_LEVELS, _MOST = 5, 40
# The most entries of a container that is looked into.
_MOST_ENTRIES = 5_000


class Entry:
    """An object in a container, or a pair of a dict.

    Attributes:
        container: a list, dict, set or deque.
        held: the object, or the pair.
    """

    __slots__ = ("_at", "container", "held")

    def __init__(self, container: Any, held: Any) -> None:
        self.container = container
        self.held = held
        # Of a list or deque: where the object was when it was taken out.
        self._at = -1

    def take_out(self, instead: Entry | None = None) -> bool:
        """Take the object out. Returns False if it is not there any more.

        Args:
            instead: an entry of the same list that moves to its place, as after a fresh start.
        """
        there = self.container
        if issubclass(type(there), dict):
            key, value = self.held
            if dict.get(there, key) is not value:
                return False
            _dict_kind(there).__delitem__(there, key)
            return True
        if issubclass(type(there), set):
            is_there = set.__contains__(there, self.held)
            set.discard(there, self.held)
            return is_there
        at = _index(there, self.held)
        if at < 0:
            return False
        self._at = at
        if instead is not None and (new := _index(there, instead.held)) > at:
            # In this order every reader finds one of the two.
            there[at] = instead.held
            del there[new]
        else:
            del there[at]
        return True

    def put_back(self) -> None:
        """Put the object back to where it was."""
        there = self.container
        if issubclass(type(there), dict):
            _dict_kind(there).__setitem__(there, *self.held)
        elif issubclass(type(there), set):
            set.add(there, self.held)
        elif _index(there, self.held) < 0:
            there.insert(self._at, self.held)


def entries_of(container: Any) -> Iterator[Entry]:
    """Yield the entries of a container without calling its own code; none if it is very large."""
    if len(container) > _MOST_ENTRIES:
        return
    is_dict = issubclass(type(container), dict)
    for held in list(dict.items(container)) if is_dict else list(container):
        yield Entry(container, held)


def keys_in(held: Any, key_of: Callable[[Any], _K | None]) -> frozenset[_K]:
    """Return the keys of the objects of executions that an entry leads to.

    The way may lead through tuples, cells, functions, bound methods, weak references and other
    objects, but not through another container, nor through an object of the executions.
    """
    found: set[_K] = set()
    level, seen = [held], {id(held)}
    for _ in range(_LEVELS):
        below: list[Any] = []
        for each in level:
            key = key_of(each)
            if key is not None:
                found.add(key)
                continue
            for one in _inside(each):
                if id(one) not in seen and len(seen) < _MOST:
                    seen.add(id(one))
                    below.append(one)
        level = below
    return frozenset(found)


def _inside(each: Any) -> list[Any]:
    """Return the objects that an object consists of."""
    if issubclass(type(each), weakref.ReferenceType):
        return [weakref.ReferenceType.__call__(each), *_attributes(each)]
    if is_passed_by(each) or issubclass(type(each), type) or is_container(each):
        return []
    if is_namespace(each):
        return []
    if type(each) is FunctionType:
        return [each.__closure__, each.__defaults__, each.__kwdefaults__, *_values(each.__dict__)]
    return _attributes(each)


def _attributes(each: Any) -> list[Any]:
    found = []
    for one in gc.get_referents(each):
        if type(one) is dict and is_attributes_of(one, each):
            found += _values(one)
        else:
            found.append(one)
    return found


def _values(attributes: dict[str, Any]) -> list[Any]:
    return list(attributes.values())


def _dict_kind(container: dict[Any, Any]) -> type[dict[Any, Any]]:
    return OrderedDict if issubclass(type(container), OrderedDict) else dict


def _index(container: list[Any] | deque[Any], held: Any) -> int:
    for at, each in enumerate(list(container)):
        if each is held:
            return at
    return -1
