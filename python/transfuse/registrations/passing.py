"""Holders of objects for a while: the threads at work, and the caches of `typing`.

What they hold is no registration, and no search would lead from it to a container of a foreign
module. So a count of references starts from them, too: if nothing else holds an object of a new
execution, then there is nothing to search for.
"""

from __future__ import annotations

import sys
import threading
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def passing_holders() -> list[Any]:
    """Return the threads with their frames, and the caches of `typing`."""
    return [*threading.enumerate(), *_frames(), *_caches()]


def _frames() -> Iterator[Any]:
    for top in list(sys._current_frames().values()):
        frame: Any = top
        while frame is not None:
            yield frame
            frame = frame.f_back


def _caches() -> Iterator[Any]:
    """Yield the `lru_cache` objects, and the functions that `@overload` decorated.

    Both are private, and may be missing.
    """
    for clear in getattr(typing, "_cleanups", ()):
        if (cache := getattr(clear, "__self__", None)) is not None:
            yield cache
    overloads: Any = getattr(typing, "_overload_registry", {})
    for by_name in list(overloads.values()):
        yield by_name
        yield from list(by_name.values())
