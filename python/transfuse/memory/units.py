"""Which units of work keep a former generation in use, and where are they now?"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfuse.memory.describe import place

if TYPE_CHECKING:
    from collections.abc import Iterable


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
