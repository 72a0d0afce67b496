"""Who keeps an old module in memory, and who keeps an old generation in use?

For `status` alone. An old module is followed through the collector's references until something
is met that does not belong to it: that is its holder, and it is told what kind of object it is and
where it lives. A unit of work is told by what it was called, its thread, and where that is now.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import (
    CellType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Of how many modules holders are looked for, and how many of each are told.
_MODULES, _HOLDERS = 5, 3
# The most objects that are followed for one module.
_FOLLOWED = 2_000
_MACHINERY = "transfuse._core"
# What modules, classes and functions consist of.
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


@dataclass(frozen=True)
class Unit:
    """A unit of work that is pinned to a generation that is not current any more.

    Attributes:
        generation: its number.
        what: what it was called, such as ``"GET /orders"``.
        thread: the name of the thread that went on with it last.
        where: where that thread is now, ``"/srv/shop/web.py:12 in slow"``; empty if it has ended.
        seconds: how long ago it began.
    """

    generation: int
    what: str
    thread: str
    where: str
    seconds: float


@dataclass(frozen=True)
class Lingering:
    """A module that was superseded, that no generation has, and that is still in memory.

    Attributes:
        name: its name, such as ``"shop.prices"``.
        holders: what keeps it, in words; empty for those beyond the first few.
    """

    name: str
    holders: tuple[str, ...]


def units(told: Iterable[tuple[int, str | None, int, float]]) -> tuple[Unit, ...]:
    """Return units of work as the core tells them, with the names of threads and their places."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    return tuple(
        Unit(
            generation,
            what or "a unit of work",
            names.get(ident, f"thread {ident}"),
            _place(frames.get(ident)),
            seconds,
        )
        for generation, what, ident, seconds in told
    )


def lingering(modules: list[ModuleType]) -> tuple[Lingering, ...]:
    """Return what still holds each of these modules."""
    found = []
    # No generator here: it would be one of the holders.
    for number, module in enumerate(modules):
        holders = _holders(module, {id(modules)}) if number < _MODULES else ()
        found.append(Lingering(module.__name__, holders))
    return tuple(found)


def _place(frame: FrameType | None) -> str:
    own = os.path.dirname(__file__) + os.sep
    while frame is not None and frame.f_code.co_filename.startswith(own):
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _holders(module: ModuleType, seen: set[int]) -> tuple[str, ...]:
    """Follow references to the module; `seen` are the ids of what is not to be followed."""
    namespace = vars(module)
    found: list[str] = []
    # All that was looked at stays here, so that no id is given twice.
    kept: list[Any] = []
    edge: tuple[Any, ...] = (module, namespace)
    while edge and len(kept) < _FOLLOWED and len(found) < _HOLDERS:
        referrers = gc.get_referrers(*edge)
        beyond: list[Any] = []
        # These refer to all of it, but only because somebody looks.
        kept += (edge, referrers, beyond)
        seen |= {id(kept), *map(id, kept[-3:]), *map(id, edge)}
        for each in referrers:
            if id(each) in seen or _is_looking(each):
                continue
            seen.add(id(each))
            if _belongs(each, namespace):
                beyond.append(each)
            elif (told := _tell(each, edge)) not in found:
                found.append(told)
        edge = tuple(beyond)
    return tuple(found[:_HOLDERS])


def _is_looking(each: object) -> bool:
    """Whether it is a frame of this file, or of who asked it."""
    return isinstance(each, FrameType) and os.path.dirname(each.f_code.co_filename) == (
        os.path.dirname(__file__)
    )


def _belongs(each: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether it is a part of the module, or of the machinery, and not who holds it."""
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
        return own or any(type(value).__module__ == _MACHINERY for value in each.values())
    if isinstance(each, tuple):
        # The ancestors of a class.
        return bool(each) and all(isinstance(one, type) for one in each)
    return type(each).__module__ == name or isinstance(each, _PARTS)


def _tell(holder: Any, held: tuple[Any, ...]) -> str:
    if isinstance(holder, FrameType):
        return f"a running frame: {_place(holder) or holder.f_code.co_name}"
    if isinstance(holder, dict):
        names = [key for key, value in holder.items() if any(value is each for each in held)]
        key = names[0] if names else "?"
        if (
            holder.get("__name__") in sys.modules
            and vars(sys.modules[holder["__name__"]]) is holder
        ):
            return f"the global {key} of {holder['__name__']}"
        return f"a dict, under {key!r}{_where(holder)}"
    if isinstance(holder, FunctionType):
        return f"the function {holder.__module__}.{holder.__qualname__}"
    if isinstance(holder, type):
        return f"the class {holder.__module__}.{holder.__qualname__}"
    kind = type(holder)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"a {home}{kind.__qualname__}{_where(holder)}"


def _where(holder: Any) -> str:
    """Where a container lives, one step up."""
    return next(_owners(holder), "")


def _owners(holder: Any) -> Iterator[str]:
    for owner in gc.get_referrers(holder):
        if isinstance(owner, dict):
            name = owner.get("__name__")
            module = sys.modules.get(name) if isinstance(name, str) else None
            if module is not None and vars(module) is owner:
                key = next((key for key, value in owner.items() if value is holder), "?")
                yield f", the global {key} of {name}"
        elif getattr(owner, "__dict__", None) is holder:
            yield f" of a {type(owner).__module__}.{type(owner).__qualname__}"
        elif isinstance(owner, FrameType) and not _is_looking(owner):
            yield f", a local of {_place(owner)}"
