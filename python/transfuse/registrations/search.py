"""The foreign containers that hold objects of former executions, found upwards from these.

One pass over the heap, which lets other threads run, makes an index of its references for all
levels (`_core.ReferrerIndex`). From an object the search goes on to its wrappers, up to the first
container, and from the container to the foreign module that it belongs to. The second half of the
way is taken only from containers of which entries would leave: most hold objects of one execution,
or memos of both.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.registrations.made import (
    are_passed_by,
    is_attributes_of,
    is_container,
    is_foreign_name,
    is_live,
    is_namespace,
    is_of_class,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transfuse.registrations.made import Made

_log = get_logger("transfuse")
# From an object through its container to a module.
_LEVELS = 16
# The most wrappers between an object and the container; `entries.keys_in` looks no further.
_WRAPPERS = 5
# The most objects of one level; with more the search ends, and all entries stay.
_MOST = 20_000
# Wall time. Other threads run meanwhile, and on a loaded machine they take most of it.
_SECONDS = 30.0
# As `sysconfig` has it, which an update must not be the first to import.
_FREE_THREADED = "t" in getattr(sys, "abiflags", "")


class Side(NamedTuple):
    """Executions whose objects are searched for.

    Attributes:
        held: what others hold of them.
        numbers: theirs, as in `Search`.
    """

    held: _core.HeldOutside
    numbers: set[int | None]


class Search:
    """One search, for all superseded executions of an update together."""

    def __init__(
        self,
        made: Made,
        passed_by: set[int],
        fresh: dict[int, set[int]],
        side: Callable[[Any], int | None],
        may_leave: Callable[[Any, set[int | None]], bool],
    ) -> None:
        """Prepare the search.

        Args:
            made: recognizes the objects of the executions.
            passed_by: ids of objects that are no foreign state: those that only the executions
                hold, and those that are carried from one execution to the next.
            fresh: id of a namespace that holds copies -> ids of values that are no copies.
            side: numbers the execution that made an object, or what a weak reference leads to.
            may_leave: whether entries of a container that leads to objects of these numbers would
                leave if it belongs to a foreign module.
        """
        self._made = made
        self._passed_by = passed_by
        self._fresh = fresh
        self._side = side
        self._may_leave = may_leave
        self._deadline = time.monotonic() + _SECONDS
        self._is_given_up = False
        self._heap: list[Any] = [] if _FREE_THREADED else _core.heap()
        self._index = None if _FREE_THREADED else _core.ReferrerIndex(self._heap, _SECONDS)
        # Type of a holder -> whether its references do not count.
        self._kinds: dict[type, bool] = {}
        # id -> a container that holds such an object, and of which entries would leave.
        self._containers: dict[int, Any] = {}
        # id -> a container that holds such an object, and how many wrappers lie between them; a
        # dict may be the attributes of one more.
        self._holding: dict[int, tuple[Any, int]] = {}
        # id of an object on the way from containers to modules -> ids of these containers.
        self._above: dict[int, set[int]] = {}
        # ids of the containers that belong to foreign modules.
        self._foreign: set[int] = set()
        # id of an object that is searched for, and of a wrapper or container that leads to some ->
        # the numbers of the executions that made these.
        self._sides: dict[int, set[int | None]] = {}
        # id of an object that is searched for, or that leads from such objects to containers -> how
        # many wrappers it is away from the nearest.
        self._inside: dict[int, int] = {}
        # The sides whose own containers are known.
        self._known: tuple[Side, ...] = ()
        # id of such a container -> the numbers of its sides.
        self._leading: dict[int, set[int | None]] = {}

    def containers(self, objects: list[Any]) -> list[Any]:
        """Return the foreign containers that hold some of these objects."""
        self._inside = dict.fromkeys(map(id, objects), 0)
        self._sides = {id(each): {self._side(each)} for each in objects}
        try:
            return self._find(objects)
        finally:
            # The collector does not see this list, so it could not free what refers to it.
            _core.let_go(self._heap)

    def shared(self, one: Side, other: Side) -> list[Any]:
        """Return the foreign containers that hold objects of both sides.

        Those that each side leads to are known. Any other leads to an object at the edge of that
        side, which is all that has to be searched from: mostly a small part of what a program's
        registry leads to.
        """
        self._known = (one, other)
        for side in self._known:
            for each in side.held.containers:
                self._leading[id(each)] = self._leading.get(id(each), set()) | side.numbers
        level = {}
        there = set(map(id, other.held.containers))
        for each in one.held.containers:
            if (
                id(each) in there
                and is_container(each)
                and self._is_container_of(each, set(), _WRAPPERS)
            ):
                level[id(each)] = each
        for side in self._known:
            for each, wrappers in zip(side.held.edge, side.held.wrappers, strict=True):
                if self._begins(each, wrappers, side):
                    level[id(each)] = each
        try:
            return self._find(list(level.values()))
        finally:
            _core.let_go(self._heap)

    def _begins(self, each: Any, wrappers: int, side: Side) -> bool:
        """Add an object at the edge of a side. Return False if the search ends there."""
        if is_of_class(each) or type(each) in (list, set, deque):
            return False
        made_by = self._side(each)
        known = self._sides.setdefault(id(each), set())
        known |= side.numbers if made_by is None else {made_by}
        if is_container(each):
            # A container in another one is no part of an entry, but attributes may be.
            self._holding.setdefault(id(each), (each, wrappers))
        else:
            self._inside[id(each)] = min(wrappers, self._inside.get(id(each), wrappers))
        return True

    def _find(self, level: list[Any]) -> list[Any]:
        for _ in range(_LEVELS):
            if len(level) > _MOST:
                self._is_given_up = True
            if not level or self._is_given_up:
                break
            following: dict[int, Any] = {}
            for holder, each in self._referrers(level):
                if id(holder) in self._passed_by or self._is_passed_by(type(holder)):
                    continue
                goes_on = id(each) in self._inside and self._is_taken_in(holder, each)
                goes_on |= id(each) in self._holding and self._is_wrapper_of(holder, each)
                goes_on |= id(each) in self._above and self._is_climbed(holder, each)
                if goes_on:
                    following[id(holder)] = holder
            level = list(following.values())
        if self._is_given_up:
            _log.warning(
                "the search for what former code has registered was given up after %.0f s or %d"
                " objects: foreign code may call former code as well as new",
                _SECONDS,
                _MOST,
            )
        found = [self._containers.get(each) for each in self._foreign]
        return [each for each in found if each is not None]

    def _is_passed_by(self, kind: type) -> bool:
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = are_passed_by(kind)
        return known

    def _is_taken_in(self, holder: Any, each: Any) -> bool:
        """Take in a holder of an object that is searched for. False: nothing follows from it."""
        if id(each) in self._made.names and (
            type(holder) is not FunctionType or holder.__globals__ is not each
        ):
            return False
        if is_namespace(holder) or is_of_class(holder) or issubclass(type(holder), type):
            return False
        sides, wrappers = self._sides[id(each)], self._inside[id(each)]
        for side in self._known:
            # What leads on from there is at the edge itself, and its containers are known.
            if sides <= side.numbers and side.held.follows(id(holder)):
                return False
        if is_container(holder):
            return self._is_container_of(holder, sides, wrappers)
        return self._is_taken_for_wrapper(holder, sides, wrappers)

    def _is_container_of(self, holder: Any, sides: set[int | None], wrappers: int) -> bool:
        """Take in a container. False: it leads to nothing that it did not lead to before."""
        sides = sides | self._leading.get(id(holder), set())
        known = self._sides.setdefault(id(holder), set())
        if sides <= known:
            return False
        known |= sides
        self._holding.setdefault(id(holder), (holder, wrappers))
        if id(holder) not in self._containers and self._may_leave(holder, known):
            self._containers[id(holder)] = holder
            self._above[id(holder)] = {id(holder)}
        return id(holder) in self._containers or issubclass(type(holder), dict)

    def _is_taken_for_wrapper(self, holder: Any, sides: set[int | None], wrappers: int) -> bool:
        """Take in an object beyond so many wrappers. False: as above."""
        known = self._sides.setdefault(id(holder), set())
        if sides <= known or wrappers >= _WRAPPERS:
            return False
        known |= sides
        self._inside.setdefault(id(holder), wrappers + 1)
        return True

    def _is_wrapper_of(self, holder: Any, each: Any) -> bool:
        """Go on from a dict to the object whose attributes it is. False: it is another holder.

        The attributes of a wrapper are no registry, but the wrapper may be in one.
        """
        if not is_attributes_of(each, holder):
            return False
        self._containers.pop(id(each), None)
        self._above.pop(id(each), None)
        return self._is_taken_for_wrapper(holder, self._sides[id(each)], self._holding[id(each)][1])

    def _is_climbed(self, holder: Any, each: Any) -> bool:
        """Follow the way from a container to a module by one step. False: it ends there."""
        below = self._above[id(each)]
        if self._is_root(holder, each):
            self._foreign |= below
            return False
        if self._is_live(holder):
            return False
        known = self._above.setdefault(id(holder), set())
        if below <= known or below <= self._foreign:
            return False
        known |= below
        return True

    def _is_live(self, holder: Any) -> bool:
        """Whether what an object holds is the state of a live module."""
        if is_namespace(holder) or is_of_class(holder) or issubclass(type(holder), type):
            # It is no root, so it is not that of a foreign module.
            return True
        if type(holder) is FunctionType:
            return is_live(holder.__globals__)
        return not is_foreign_name(type(holder).__module__)

    def _is_root(self, holder: Any, each: Any) -> bool:
        """Whether an object belongs to the state of a foreign module, or to a copy of it."""
        if is_namespace(holder):
            values = self._fresh.get(id(holder))
            return not is_live(holder) or (values is not None and id(each) not in values)
        if issubclass(type(holder), type):
            return is_foreign_name(holder.__module__)
        return is_of_class(holder) and is_foreign_name(holder["__module__"])

    def _referrers(self, targets: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each object that refers to a target, and that target."""
        # A part of the answer is no answer: a wrapper's dict would be taken for a registry.
        is_complete = self._index is None or self._index.complete
        if not is_complete or time.monotonic() > self._deadline:
            self._is_given_up = True
            return iter(())
        if self._index is None:
            return iter(_referrers_by_collector(targets))
        holders, indices = self._index.referrers(targets)
        return zip(holders, map(targets.__getitem__, indices), strict=True)


def _referrers_by_collector(targets: list[Any]) -> list[tuple[Any, Any]]:
    """Do the same where objects may only be traversed while all threads stand still."""
    by_id = {id(each): each for each in targets}
    return [
        (holder, by_id[id(each)])
        for holder in gc.get_referrers(*targets)
        if holder is not targets and holder is not by_id
        for each in gc.get_referents(holder)
        if id(each) in by_id
    ]
