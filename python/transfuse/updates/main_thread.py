"""Where is the main thread, in which some modules of an update run, and how is it reached?

In a fresh process modules are imported in the main thread, and an ASGI server's requests are there.
A module that needs it says ``__thread__ = "main"``. A thread can run code of an update where it
runs nothing of the program: in its event loop, between two callbacks, or while it waits for one.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config import native
from transfuse.errors import TransfuseError
from transfuse.updates import participants

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# How long an event loop may take to say in which thread it runs, in seconds.
_PATIENCE = 1.0

# The server's event loop and its thread, as `threading.get_ident` has it. The loop's thread writes.
_server: tuple[asyncio.AbstractEventLoop, int] | None = None


def served_by(loop: asyncio.AbstractEventLoop) -> None:
    """Note the event loop that serves; called in its thread."""
    global _server  # noqa: PLW0603
    _server = (loop, native.threading.get_ident())


def server() -> tuple[asyncio.AbstractEventLoop, int] | None:
    """Return the event loop that serves and its thread, if there is one."""
    return None if _server is None or _server[0].is_closed() else _server


@dataclass(frozen=True)
class MainThread:
    """The thread that an update may run code in.

    Attributes:
        thread: as `threading.get_ident` has it.
        loop: the event loop in it; None if the thread waits for the update.
    """

    thread: int
    loop: asyncio.AbstractEventLoop | None

    def reach(self) -> None:
        """Have it run what the core offers to it, soon."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(_core.run_offered)

    def check(self) -> None:
        """Raise an error if it will not come to that.

        Raises:
            TransfuseError: the event loop has ended, or the thread does not wait any more.
        """
        waits = participants.waits_for_update(self.thread)
        if not waits and (self.loop is None or self.loop.is_closed()):
            raise TransfuseError(
                "the main thread, in which modules of this update are to run (__thread__), has gone"
                " on to something else"
            )


def find() -> MainThread:
    """Return the thread; the core calls it.

    Raises:
        TransfuseError: the program does not lend it.
    """
    here = server()
    if here is not None:
        # If it waits for the update, then the core runs what is offered.
        return MainThread(here[1], here[0])
    main = native.threading.main_thread().ident
    if main is not None and participants.waits_for_update(main):
        return MainThread(main, None)
    loop = _running_in(main)
    if main is None or loop is None:
        raise TransfuseError(
            "a module of this update is to run in the main thread (__thread__, or the setting"
            " thread), and nothing there can run it: that takes an ASGI server, an event loop of"
            " asyncio that runs in the main thread, or transfuse.update() called there; restart, or"
            " leave the setting out"
        )
    return MainThread(main, loop)


def call(function: Callable[[], object]) -> None:
    """Have the thread call a function, soon. Its exceptions are logged.

    Raises:
        TransfuseError: the program does not lend it.
    """
    found = find()
    _core.offer(found.thread, function)
    found.reach()


def is_here() -> bool:
    """Whether this is the main thread of the process, where signal handlers can be set."""
    return bool(native.threading.get_ident() == native.threading.main_thread().ident)


def _running_in(thread: int | None) -> asyncio.AbstractEventLoop | None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    for each in gc.get_objects():
        is_loop = issubclass(type(each), asyncio.AbstractEventLoop)
        if is_loop and each.is_running() and thread == _thread_of(each):
            return each  # type: ignore[no-any-return]
    return None


def _thread_of(loop: asyncio.AbstractEventLoop) -> int | None:
    said: list[int] = []
    done = native.threading.Event()

    def say() -> None:
        said.append(native.threading.get_ident())
        done.set()

    known: Any = getattr(loop, "_thread_id", None)
    if isinstance(known, int):
        return known
    loop.call_soon_threadsafe(say)
    done.wait(_PATIENCE)
    return said[0] if said else None
