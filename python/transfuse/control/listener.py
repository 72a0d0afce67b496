"""A Unix socket at which a process answers: one line comes in, one line goes out.

A thread waits for all connections at once, and hands a request to a thread of its own only when its
line is complete. So a connection that says nothing, or half of a request, costs a descriptor until
`PATIENCE` is over, and keeps no other from being answered. Other users are not listened to.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import threading, time
from transfuse.runtime import long_path, peer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

_log = get_logger("transfuse.control")

# Seconds in which a request must have arrived, and in which a byte of an answer must be taken.
PATIENCE, _TAKING = 10.0, 60.0
# The longest request, in bytes. The rest of a longer one is not read.
LONGEST = 65536
# How many connections may be without a complete request; one more closes the oldest.
_PENDING = 64
# How many connections the system keeps until they are accepted: enough for a process that is
# stopped for a while.
_BACKLOG = 128
# The pause after a failure to accept, such as for want of descriptors, in seconds.
_PAUSE = 0.1


class Listener:
    """Answers at a socket, in daemon threads, from the moment it is made.

    Args:
        path: the socket's.
        answer: makes the line of an answer from the line of a request.

    Raises:
        OSError: the path is taken, or too long for this system.
    """

    def __init__(self, path: Path, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        # The user as which the others must be: this process may become another one later.
        self._uid = peer.own()
        self._socket = native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM)
        try:
            long_path.bind(self._socket, path)
            self._socket.listen(_BACKLOG)
            self._socket.setblocking(False)
        except BaseException:
            self._socket.close()
            raise
        # A byte in the second wakes the thread.
        self._woken, self._wake = native.socket.socketpair()
        self._selector = native.selectors.DefaultSelector()
        self._selector.register(self._socket, native.selectors.EVENT_READ)
        self._selector.register(self._woken, native.selectors.EVENT_READ)
        # Connection to the bytes that it has sent and the time at which it is given up; in the
        # order in which they came. Belongs to the thread.
        self._pending: dict[socket.socket, tuple[bytes, float]] = {}
        self._over = threading.Event()
        self._thread = native.thread(target=self._run, name="transfuse-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more requests, and wait for the thread; answers under way go on."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(PATIENCE)

    def drop(self) -> None:
        """Close the descriptors that a forked child has inherited."""
        self._selector.close()
        for end in (self._socket, self._woken, self._wake, *self._pending):
            end.close()
        self._pending.clear()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                for key, _ in self._selector.select(self._timeout()):
                    end = key.fileobj
                    if end is self._socket:
                        self._accept()
                    elif end is not self._woken:
                        self._read(end)
                now = time.monotonic()
                for end, (_, until) in list(self._pending.items()):
                    if now > until:
                        self._forget(end).close()
        finally:
            self.drop()

    def _timeout(self) -> float | None:
        first = next(iter(self._pending.values()), None)
        return None if first is None else max(0.0, first[1] - time.monotonic()) + 0.01

    def _accept(self) -> None:
        try:
            end, _ = self._socket.accept()
        except BlockingIOError:
            return
        except OSError as error:
            _log.debug("a question of the command line cannot be accepted: %s", error)
            self._over.wait(_PAUSE)
            return
        if not peer.is_of_user(end, self._uid):
            end.close()
            return
        if len(self._pending) >= _PENDING:
            self._forget(next(iter(self._pending))).close()
        end.setblocking(False)
        self._selector.register(end, native.selectors.EVENT_READ)
        self._pending[end] = (b"", time.monotonic() + PATIENCE)

    def _read(self, end: socket.socket) -> None:
        if end not in self._pending:
            return
        before, until = self._pending[end]
        try:
            got = end.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            self._forget(end).close()
            return
        text = before + got
        if got and b"\n" not in text and len(text) < LONGEST:
            self._pending[end] = (text, until)
            return
        self._forget(end)
        if not text:
            end.close()
            return
        thread = native.thread(
            target=self._reply, args=(end, text.partition(b"\n")[0]), daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            _log.debug("a question of the command line has no thread: %s", error)
            end.close()

    def _forget(self, end: socket.socket) -> socket.socket:
        del self._pending[end]
        self._selector.unregister(end)
        return end

    def _reply(self, end: socket.socket, line: bytes) -> None:
        with end:
            try:
                end.settimeout(_TAKING)
                end.sendall(self._answer(line))
            except OSError:
                pass  # the other end has gone
            except Exception:
                _log.debug("a question of the command line failed", exc_info=True)
