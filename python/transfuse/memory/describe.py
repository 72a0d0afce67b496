"""Describes the objects that keep former modules in memory, for `leaks`.

A path leads from the holder, the first object that is no part of a former module, to a root: an
object with a name that its owner knows. Nothing here searches, and no code of the described objects
runs: types are asked, not the objects, because asking a lazy object evaluates it.
"""

from __future__ import annotations

import threading
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
    from collections.abc import Sequence

_CACHE = type(lru_cache(len))
SUSPENDED = (GeneratorType, CoroutineType, AsyncGeneratorType)
# Frames of these folders refer to an old module only while they look for its holders, or serve it.
_LOOKING = tuple(OWN + each for each in ("control", "memory", "process", "servers", "updates"))
# How many objects of a path are named, from the holder on.
_NAMED = 3

# Kind of a root -> what to do about it.
REMEDIES = {
    "global": "undo the registration in __dispose__ of the module that made it, or register"
    " transfuse.live('pkg.mod:name')",
    "class": "undo the registration in __dispose__ of the module that made it",
    "cache": "call its cache_clear() in __dispose__",
    "thread": "end the thread in __dispose__, and let its loop call transfuse.live(...)",
    "task": "cancel the task in __dispose__",
    "": "a local variable of a running function may hold it, or an extension module; or it is"
    " garbage, which the collector removes in time",
}


def is_a(each: object, kinds: type | tuple[type, ...]) -> bool:
    """Whether it is an instance of these, by its type alone."""
    return issubclass(type(each), kinds)


def root_kind(each: object) -> str:
    """Tell which kind of root an object is, a key of `REMEDIES`; empty if it is none."""
    if is_a(each, dict):
        return "global" if is_namespace(each) else ""
    if is_a(each, type):
        return "class"
    if is_a(each, _CACHE):
        return "cache"
    if is_a(each, threading.Thread):
        return "thread"
    kind = type(each)
    return "task" if hasattr(kind, "get_coro") and hasattr(kind, "get_name") else ""


def is_namespace(each: Any) -> bool:
    """Whether a dict holds the globals of a module."""
    return dict.__contains__(each, "__spec__") and type(dict.get(each, "__name__")) is str


def root_in_words(path: Sequence[Any], held: Any) -> str:
    """Describe the root that a path ends at.

    Args:
        path: the holder, and what leads from there to the root.
        held: the part of the former module that the holder refers to.
    """
    root, below = path[-1], [held, *path[:-1]]
    kind = root_kind(root)
    if kind == "global":
        return f"the global `{_key(root, below[-1])}` of {root['__name__']}"
    if kind == "class":
        named = f"the class {_name(root)}"
        return f"{named}, under {_key(below[-1], below[-2])!r}" if is_a(below[-1], dict) else named
    if kind == "cache":
        return f"the cache of {_name(getattr(root, '__wrapped__', root))}"
    return f"the thread {root.name!r}" if kind == "thread" else f"the task {root.get_name()!r}"


def chain_in_words(path: Sequence[Any], held: Any) -> str:
    """Describe the objects between a former module and the root: ``"a partial in a list"``."""
    words: list[str] = []
    for each in path:
        if is_a(each, FrameType):
            words.append(f"a frame at {spot(each)}")
        elif is_a(each, BaseException) and words and words[-1].startswith("a frame"):
            at = words.pop().removeprefix("a frame ")
            words.append(f"the traceback of {_article(type(each).__qualname__)}, {at}")
        elif not is_a(each, (TracebackType, tuple)):
            words.append(in_words(each))
    # A row of lists in lists says no more than one.
    words = [word for index, word in enumerate(words) if word not in words[:index]][:_NAMED]
    key = _key(path[0], held) if len(path) == 1 and is_a(path[0], dict) else "?"
    return " in ".join(words) + ("" if key == "?" else f", under {key!r}")


def in_words(each: Any) -> str:
    """Tell what an object is: ``"the function shop.web.serve"``, ``"a generator steps"``."""
    kind = type(each)
    if is_a(each, (FunctionType, type)):
        return f"the {'class' if is_a(each, type) else 'function'} {_name(each)}"
    if is_a(each, SUSPENDED):
        return f"{_article(kind.__qualname__)} {each.__qualname__}"
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return _article(f"{home}{kind.__qualname__}")


def place(frame: FrameType | None) -> str:
    """Tell where a frame is, ``"/srv/shop/web.py:12 in slow"``; our own are passed over."""
    while frame is not None and frame.f_code.co_filename.startswith(OWN):
        frame = frame.f_back
    return "" if frame is None else spot(frame)


def spot(frame: FrameType) -> str:
    """The same for the very frame."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def is_looking(each: Any) -> bool:
    """Whether it is a frame of this package that may refer to the module for a moment."""
    return is_a(each, FrameType) and each.f_code.co_filename.startswith(_LOOKING)


def _key(table: dict[Any, Any], value: Any) -> str:
    keys = [key for key, each in list(dict.items(table)) if each is value and type(key) is str]
    return keys[0] if keys else "?"


def _name(each: Any) -> str:
    return f"{getattr(each, '__module__', '?')}.{getattr(each, '__qualname__', '?')}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"
