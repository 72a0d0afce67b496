"""Describes an object that keeps an old module in memory: its kind, and where it lives.

For `referrers`, which finds these objects. This file only looks: at the referrers of an object, one
step up, and at the frames of the running threads.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import deque
from functools import lru_cache
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    TracebackType,
)
from typing import TYPE_CHECKING, Any

from transfuse.source.tracebacks import OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

_CACHE = type(lru_cache(len))
_SUSPENDED = (GeneratorType, CoroutineType, AsyncGeneratorType)
_CONTAINERS = (list, tuple, dict, set, deque)
# Frames of these folders hold an old module only while they look for its holders, or serve it.
_LOOKING = tuple(OWN + each for each in ("control", "memory", "process", "servers", "updates"))


def in_words(holder: Any, held: tuple[Any, ...], ours: frozenset[int]) -> str:
    """Describe a holder.

    Args:
        holder: the object.
        held: the parts of the old module that it may hold.
        ours: the ids of lists of this search, which refer to it too.
    """
    if isinstance(holder, FrameType):
        return _frame(holder, ours)
    if isinstance(holder, dict):
        return _dict(holder, held, ours)
    if isinstance(holder, _CACHE):
        return _cache(holder)
    if isinstance(holder, (FunctionType, type)):
        kind_of = "class" if isinstance(holder, type) else "function"
        return f"the {kind_of} {holder.__module__}.{holder.__qualname__}"
    # A tuple may be the arguments that a cache goes by.
    for owner in gc.get_referrers(holder) if isinstance(holder, tuple) else ():
        if isinstance(owner, _CACHE):
            return _cache(owner)
    return _object(holder, ours)


def _object(holder: Any, ours: frozenset[int]) -> str:
    if isinstance(holder, threading.Thread):
        return f"the thread {holder.name!r}"
    kind = type(holder)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    which = f" {holder.__qualname__}" if isinstance(holder, _SUSPENDED) else ""
    return f"a {home}{kind.__qualname__}{which}{_where(holder, ours)}"


def running(namespace: Mapping[str, Any]) -> list[str]:
    """Tell which threads are in code of these globals now."""
    found = []
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, top in sys._current_frames().items():
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_globals is namespace:
                found.append(f"a running frame: {_spot(frame)}, thread {names.get(ident, ident)!r}")
                break
            frame = frame.f_back
    return found


def place(frame: FrameType | None) -> str:
    """Tell where a frame is, ``"/srv/shop/web.py:12 in slow"``; our own are passed over."""
    while frame is not None and frame.f_code.co_filename.startswith(OWN):
        frame = frame.f_back
    return "" if frame is None else _spot(frame)


def is_looking(each: object) -> bool:
    """Whether it is a frame of this package that may refer to the module for a moment."""
    return isinstance(each, FrameType) and each.f_code.co_filename.startswith(_LOOKING)


def _spot(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _frame(frame: FrameType, ours: frozenset[int]) -> str:
    """Tell of a frame: one that runs, is suspended, or is kept by the traceback of an exception."""
    for owner in gc.get_referrers(frame):
        if isinstance(owner, TracebackType):
            error = _error(owner)
            if error is not None:
                kind = type(error).__qualname__
                return f"the traceback of a {kind}, at {_spot(frame)}{_where(error, ours)}"
            return f"a traceback, at {_spot(frame)}"
        if isinstance(owner, _SUSPENDED):
            return in_words(owner, (frame,), ours)
    return f"a running frame: {place(frame) or frame.f_code.co_name}"


def _error(traceback: TracebackType) -> BaseException | None:
    """Find the exception that a traceback, or one that leads to it, belongs to."""
    links: Any = [traceback]
    for _ in range(sys.getrecursionlimit()):
        referrers = gc.get_referrers(*links)
        for each in referrers:
            if isinstance(each, BaseException):
                return each
        links = [each for each in referrers if isinstance(each, TracebackType)]
        if not links:
            break
    return None


def _dict(holder: dict[Any, Any], held: tuple[Any, ...], ours: frozenset[int]) -> str:
    names = [key for key, value in holder.items() if any(value is each for each in held)]
    key = names[0] if names else "?"
    if holder.get("__name__") in sys.modules and vars(sys.modules[holder["__name__"]]) is holder:
        return f"the global {key} of {holder['__name__']}"
    for owner in gc.get_referrers(holder):
        if isinstance(owner, _CACHE):
            return _cache(owner)
        if isinstance(owner, type) and key in vars(owner):
            return f"the class {owner.__module__}.{owner.__qualname__}, under {key!r}"
        if isinstance(owner, threading.Thread):
            return f"the thread {owner.name!r}"
    return f"a dict, under {key!r}{_where(holder, ours)}"


def _cache(holder: Any) -> str:
    cached = getattr(holder, "__wrapped__", holder)
    return f"the cache of {cached.__module__}.{cached.__qualname__}"


def _where(holder: Any, ours: frozenset[int], steps: int = 3) -> str:
    """Tell where something lives; `ours` are the ids of lists of this search."""
    owners = gc.get_referrers(holder)
    ours |= {id(owners)}
    for owner in owners:
        if told := _place_in(owner, holder):
            return told
    if steps:
        for owner in owners:
            if isinstance(owner, _CONTAINERS) and id(owner) not in ours:
                return f", in a {type(owner).__qualname__}{_where(owner, ours, steps - 1)}"
    return ""


def _place_in(owner: Any, holder: Any) -> str:
    if isinstance(owner, dict):
        name = owner.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        if module is not None and vars(module) is owner:
            key = next((key for key, value in owner.items() if value is holder), "?")
            return f", the global {key} of {name}"
    elif hasattr(owner, "get_coro") and hasattr(owner, "get_name"):
        return f", the task {owner.get_name()!r}"
    elif getattr(owner, "__dict__", None) is holder:
        return f" of a {type(owner).__module__}.{type(owner).__qualname__}"
    elif isinstance(owner, FrameType) and not is_looking(owner):
        return f", a local of {place(owner)}"
    return ""
