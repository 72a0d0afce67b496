"""The references that lead to former modules, followed up to objects with a name.

All former modules are searched for together. The search goes through the modules' own parts
(functions, classes, objects of these) to the holders, which are the first objects that are no part,
and from the holders to the roots: a global, a class, a cache, a thread, a task. Each step is one
pass over the heap (`_core.referrers`), which lets other threads run and stops at the time limit.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from importlib.machinery import ModuleSpec
from itertools import islice
from types import (
    CellType,
    FrameType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse import _core
from transfuse.memory.describe import SUSPENDED, is_a, is_looking, root_kind, spot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# How far a holder is followed, how many referrers of an object are noted, how many objects are
# looked at to find the way from one holder to its root.
_STEPS, _PARENTS, _VISITED = 12, 8, 200
_MACHINERY = "transfuse._core"
# The parts of modules, classes and functions.
_PARTS = (
    CellType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleSpec,
    classmethod,
    property,
    staticmethod,
)
# Items of tuples that are a part of something else.
_LISTED = (type, CellType)
# The attributes of `Optional[Tea]`.
_ALIAS = {"__origin__", "__args__"}


class Holder(NamedTuple):
    """An object that refers to parts of former modules, and is none."""

    each: Any
    # Index of a module -> one of its parts that the holder refers to.
    held: dict[int, Any]


class Search:
    """One search, for all former modules together.

    Attributes:
        modules: the former modules.
        heap: the objects that can be holders. It keeps them alive, so that no id is used twice.
        owner: id of a part -> the index of its module.
        keeps: index of a module -> former modules that its parts refer to.
        holders: id -> holder.
        parents: id of an object on the way from a holder to a root -> what refers to it.
        complete: whether the time was enough.
    """

    def __init__(self, modules: list[ModuleType], deadline: float) -> None:
        self.modules = modules
        self._deadline = deadline
        self._names = [str(vars(module).get("__name__")) for module in modules]
        self._by_namespace = {id(vars(module)): index for index, module in enumerate(modules)}
        self.complete = True
        self.heap = _core.heap()
        self._ignored = {id(modules)}
        self.owner: dict[int, int] = {}
        self.keeps: dict[int, set[int]] = defaultdict(set)
        self.holders: dict[int, Holder] = {}
        self.parents: dict[int, list[Any]] = {}

    def follow(self) -> None:
        """Find the holders, and the ways from them to roots."""
        if gc.get_freeze_count():
            self._add_frozen()
        self._follow_parts()
        self._follow_holders()

    def _root_kind(self, each: Any) -> str:
        """The same as `root_kind`; parts of former modules are no roots."""
        return "" if id(each) in self.owner else root_kind(each)

    def _referrers(self, targets: list[Any]) -> list[tuple[Any, Any]]:
        """Return each object that refers to a target, and that target."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.complete = False
            return []
        found, complete = _core.referrers(self.heap, targets, left)
        self.complete = self.complete and complete
        return [
            (each, targets[index])
            for each, index in found
            if id(each) not in self._ignored and not is_looking(each)
        ]

    def _add_frozen(self) -> None:
        """Add what `gc.freeze` hides: all that the listed objects refer to."""
        seen = set(map(id, self.heap))
        self.heap.append(sys.modules)
        for count, each in enumerate(self.heap):
            if count % 1000 == 0 and time.monotonic() > self._deadline:
                self.complete = False
                return
            for referent in gc.get_referents(each):
                if id(referent) not in seen and gc.is_tracked(referent):
                    seen.add(id(referent))
                    self.heap.append(referent)

    def _follow_parts(self) -> None:
        """Find the parts of the former modules, and the holders."""
        pending: list[Any] = []
        for index, module in enumerate(self.modules):
            self.owner[id(module)] = self.owner[id(vars(module))] = index
            pending += (module, vars(module))
        while pending and self.complete:
            beyond: list[Any] = []
            for each, part in self._referrers(pending):
                index = self.owner[id(part)]
                home = self.owner.get(id(each))
                if home is None and id(each) not in self.holders:
                    home = self._home(each, index)
                    if home is not None:
                        self.owner[id(each)] = home
                        beyond.append(each)
                if home is None:
                    self.holders.setdefault(id(each), Holder(each, {})).held[index] = part
                elif home != index:
                    self.keeps[home].add(index)
            pending = beyond

    def _follow_holders(self) -> None:
        """Find what leads from the holders to roots."""
        pending = [one.each for one in self.holders.values() if not self._root_kind(one.each)]
        seen = set(self.holders)
        for _ in range(_STEPS):
            if not pending or not self.complete:
                return
            edges = self._referrers(pending)
            rooted = {id(child) for each, child in edges if self._root_kind(each)}
            pending = []
            for each, child in edges:
                is_root = bool(self._root_kind(each))
                parents = self.parents.setdefault(id(child), [])
                if is_root != (id(child) in rooted) or len(parents) >= _PARENTS:
                    continue
                parents.append(each)
                if not is_root and id(each) not in self.owner and id(each) not in seen:
                    seen.add(id(each))
                    pending.append(each)

    def way(self, holder: Any) -> tuple[list[Any], set[int]]:
        """Return the shortest path from a holder to a root, and the former modules on the way."""
        inside: set[int] = set()
        if root_kind(holder):
            return [holder], inside
        paths, seen = deque([[holder]]), {id(holder)}
        while paths and len(seen) < _VISITED:
            path = paths.popleft()
            for parent in self.parents.get(id(path[-1]), ()):
                if id(parent) in self.owner:
                    inside.add(self.owner[id(parent)])
                elif root_kind(parent):
                    return [*path, parent], inside
                elif id(parent) not in seen:
                    seen.add(id(parent))
                    paths.append([*path, parent])
        return [], inside

    def suspended(self, each: Any) -> Any:
        """Return the generator whose frame it is (an object of its own up to 3.10), or itself."""
        parents = self.parents.get(id(each), ()) if is_a(each, FrameType) else ()
        return next((parent for parent in parents if is_a(parent, SUSPENDED)), each)

    def running(self) -> Iterator[tuple[str, str, int]]:
        """Yield the frames of former modules that run now: no object refers to these."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, top in sys._current_frames().items():
            frame = top
            while frame is not None:
                index = self._by_namespace.get(id(frame.f_globals))
                if index is not None:
                    thread = names.get(ident, f"thread {ident}")
                    yield "thread", f"a running frame: {spot(frame)}, thread {thread!r}", index
                    break
                frame = frame.f_back  # type: ignore[assignment]

    def with_kept(self, indices: Iterable[int]) -> set[int]:
        """Add the former modules that are kept by these."""
        found, pending = set(indices), list(indices)
        while pending:
            more = self.keeps[pending.pop()] - found
            found |= more
            pending += more
        return found

    def counted(self, indices: Iterable[int]) -> tuple[tuple[str, int], ...]:
        return tuple(Counter(self._names[index] for index in sorted(indices)).most_common())

    def _home(self, each: Any, index: int) -> int | None:
        """Return the module that an object is a part of; None: it is a holder.

        Args:
            each: the object, which refers to a part of a module.
            index: that module's.
        """
        kind, name = type(each), self._names[index]
        if is_a(each, FunctionType):
            return self._by_namespace.get(id(each.__globals__))
        if kind.__module__ == _MACHINERY or _is_alias(each) or is_a(each, _PARTS):
            return index
        if is_a(each, type):
            return self._home_of_class(each, index)
        if is_a(each, dict):
            # The attributes of a class, or of an object of one; or the table of a generation.
            own = dict.get(each, "__module__") == name and "__qualname__" not in each
            first = list(islice(dict.values(each), 8))
            own = own or dict.keys(each) >= _ALIAS
            return (
                index if own or any(type(one).__module__ == _MACHINERY for one in first) else None
            )
        if is_a(each, tuple):
            # The ancestors of a class, the arguments of an alias, what a function closes over.
            all_parts = bool(each) and all(is_a(one, _LISTED) or _is_alias(one) for one in each)
            return index if all_parts else None
        return self._home_of_class(kind, index)

    def _home_of_class(self, kind: type, index: int) -> int | None:
        """The same for a class: its functions say which of several former modules made it."""
        for each in list(vars(kind).values()):
            if type(each) is FunctionType and each.__module__ == kind.__module__:
                return self._by_namespace.get(id(each.__globals__))
        return index if kind.__module__ == self._names[index] else None


def _is_alias(each: object) -> bool:
    """Whether it is ``Optional[Tea]``, ``list[Tea]`` or the like."""
    kind = type(each)
    return kind is GenericAlias or (
        kind.__module__ in ("typing", "types") and hasattr(each, "__args__")
    )
