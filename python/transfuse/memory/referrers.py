"""What keeps an old module in memory, and what keeps an old generation in use?

For `status` alone. The references to an old module are followed to the first object that does not
belong to it: that is its holder, which `describe` puts into words. A unit of work is reported by
its name, its thread, and the place where that is now.
"""

from __future__ import annotations

import gc
import sys
import threading
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import (
    CellType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from transfuse.memory.describe import in_words, is_looking, place, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# For how many modules holders are looked for, and how many of each are reported.
_MODULES, _HOLDERS = 5, 3
# The most objects that are followed for one module.
_FOLLOWED = 2_000
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


@dataclass(frozen=True)
class Unit:
    """A unit of work that is pinned to a generation that is not current any more.

    Attributes:
        generation: its number.
        what: its name, such as ``"GET /orders"``.
        thread: the name of the thread that worked on it last.
        where: where that thread is now, ``"/srv/shop/web.py:12 in slow"``; empty if it has ended.
        seconds: how long ago it began.
    """

    generation: int
    what: str
    thread: str
    where: str
    seconds: float


@dataclass(frozen=True)
class Leak:
    """A module that was superseded, that no generation has, and that is still in memory.

    Attributes:
        name: its name, such as ``"shop.prices"``.
        holders: descriptions of its holders; empty for modules beyond the first few.
    """

    name: str
    holders: tuple[str, ...]


def units(told: Iterable[tuple[int, str | None, int, float]]) -> tuple[Unit, ...]:
    """Return the core's units of work, with the names of threads and their places."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    return tuple(
        Unit(
            generation,
            what or "a unit of work",
            names.get(ident, f"thread {ident}"),
            place(frames.get(ident)),
            seconds,
        )
        for generation, what, ident, seconds in told
    )


def lingering(modules: list[ModuleType]) -> tuple[Leak, ...]:
    """Return the holders of each of these modules."""
    found: list[Leak] = []
    # No generator and no enumerate() here: they would be among the holders.
    for module in modules:
        holders = _holders(module, {id(modules)}) if len(found) < _MODULES else ()
        found.append(Leak(module.__name__, holders))
    return tuple(found)


def _holders(module: ModuleType, seen: set[int]) -> tuple[str, ...]:
    """Follow references to the module; `seen` are the ids of objects not to follow."""
    namespace = vars(module)
    # A frame on a thread's stack has no referrer that the collector knows.
    found: list[str] = running(namespace)
    # The ids of lists of this search.
    ours: set[int] = set(seen)
    # Keeps all visited objects alive, so that no id is used twice.
    kept: list[Any] = []
    edge: tuple[Any, ...] = (module, namespace)
    while edge and len(kept) < _FOLLOWED and len(found) < _HOLDERS:
        referrers = gc.get_referrers(*edge)
        beyond: list[Any] = []
        # These refer to all of it, but only for this search.
        kept += (edge, referrers, beyond)
        ours |= {id(kept), *map(id, kept[-3:])}
        seen |= {*ours, *map(id, edge)}
        for each in referrers:
            if id(each) in seen or is_looking(each):
                continue
            seen.add(id(each))
            if _belongs(each, namespace):
                beyond.append(each)
            elif (told := in_words(each, edge, frozenset(ours))) not in found:
                found.append(told)
        edge = tuple(beyond)
    return tuple(found[:_HOLDERS])


def _belongs(each: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether it is a part of the module, or of the machinery, and not a holder."""
    kind = type(each)
    if kind.__module__ == _MACHINERY:
        return True
    if isinstance(each, FunctionType):
        return each.__globals__ is namespace
    name = namespace.get("__name__")
    if isinstance(each, type):
        return each.__module__ == name
    if isinstance(each, dict):
        # The attributes of a class, or of an object of one; and the table of a generation.
        own = each.get("__module__") == name and "__qualname__" not in each
        own = own or _ALIAS <= each.keys()
        return own or any(type(value).__module__ == _MACHINERY for value in each.values())
    if isinstance(each, tuple):
        # The ancestors of a class, the arguments of an alias, what a function closes over.
        return bool(each) and all(isinstance(one, _LISTED) or _is_alias(one) for one in each)
    return _is_alias(each) or type(each).__module__ == name or isinstance(each, _PARTS)


def _is_alias(each: object) -> bool:
    """Whether it is ``Optional[Tea]``, ``list[Tea]`` or the like."""
    return isinstance(each, GenericAlias) or (
        type(each).__module__ in ("typing", "types") and hasattr(each, "__args__")
    )
