"""How does a process end, once others have taken over, without losing a request?

It stops accepting; what is waiting to be accepted stays in the queue of the shared socket, for the
others. On the connections that it has, it answers each request and closes the connection with that
answer. It ends when no connection is left, or when only such are left that have sent nothing for as
long as the server keeps an idle connection anyway.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import tempfile
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.config import native
from transfuse.config.native import time
from transfuse.runtime import long_path

if TYPE_CHECKING:
    from collections.abc import Callable

# How long an idle connection is kept: Granian closes one that has sent nothing for 30 seconds.
IDLE = 35.0
# How often the connections are counted, in seconds, and how often in a row there must be none: a
# connection that was accepted just before has no descriptor yet.
_TURN = 0.1
_TURNS = 3
# The least that a retiring process lives on, in seconds: it may have to tell the command line how
# the handover ended.
_LEAST = 1.0
# The folders that list the descriptors of a process.
_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


class Retirement:
    """The end of this process.

    Its application must let each response be the last of its connection by now.

    Args:
        listener: the descriptor of the shared socket at which the server accepts.
        note: called with the number of requests that are left, again and again.
        is_asked: whether the command line still waits for an answer of this process.
    """

    def __init__(
        self,
        listener: int,
        note: Callable[[int], object] = lambda _: None,
        is_asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self._listener = listener
        self._note, self._is_asked = note, is_asked
        self._port = _port(listener)

    def run(self, end: Callable[[], None] | None = None) -> None:
        """Finish what there is, and end.

        Args:
            end: called at last; default: a signal to this process, upon which the server ends.
        """
        stop_accepting(self._listener)
        began = time.monotonic()
        none = 0
        while none < _TURNS or time.monotonic() - began < _LEAST:
            time.sleep(_TURN)  # nothing signals the end of a connection
            self._note(_core.units_under_way())
            if time.monotonic() - began > IDLE:
                left = _core.units_under_way()
            else:
                left = self.connections()
            none = 0 if left or self._is_asked() else none + 1
        (end or _end)()

    def connections(self) -> int:
        """Return how many connections this process has accepted and not closed yet."""
        return sum(self._is_connection(number) for number in _descriptors())

    def _is_connection(self, number: int) -> bool:
        with contextlib.suppress(OSError, ValueError):
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                return False
            # A copy, because the server may close its own at this moment.
            with native.socket.socket(fileno=os.dup(number)) as copy:
                # A listening socket has no other end.
                copy.getpeername()
                return _port(copy.fileno()) == self._port
        return False


def stop_accepting(listener: int) -> None:
    """Let nothing more arrive at a listening descriptor; the socket behind it stays open elsewhere.

    The server goes on accepting there, and finds nothing: the descriptor belongs to a socket whose
    path is gone, so that no process can connect to it.
    """
    with tempfile.TemporaryDirectory(prefix="transfuse-") as folder:
        nothing = native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM)
        long_path.bind(nothing, os.path.join(folder, "nothing.sock"))
    with nothing:
        nothing.listen(1)
        nothing.setblocking(False)
        os.dup2(nothing.fileno(), listener, inheritable=False)


def _port(number: int) -> object:
    """Return the local port of a socket, or what stands for it in its family."""
    with native.socket.socket(fileno=os.dup(number)) as copy:
        name = copy.getsockname()
    return name[1] if copy.family in (native.socket.AF_INET, native.socket.AF_INET6) else name


def _descriptors() -> list[int]:
    for folder in _DESCRIPTORS:
        with contextlib.suppress(OSError):
            return [int(name) for name in os.listdir(folder)]
    return []


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
