"""The messages between workers and coordinator: lines of JSON, over a Unix socket.

A worker says: ``joins``, ``staged``, ``fails``, ``finds nothing``, ``serves``, ``here``,
``contents?``, ``counts``, ``confirms``. The coordinator tells it to ``do``: ``stage``, ``look
again``, ``publish``, ``refuse``, ``catch up``, ``nothing``, ``take``, ``trial``, ``go back``,
``trial over``.
"""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

from transfuse.config import native
from transfuse.config.native import json, threading
from transfuse.workers import forms

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

Said = forms.Said

# A process that is silent for so many seconds is taken to hang. It sends something at each beat.
SILENCE = 4.0
BEAT = 1.0
# The longest that one message may take to be sent, in seconds.
_SENDING = 2.0
# The most that is received at once, in bytes. The room for it is taken before anything comes, and
# in glibc a freed block of 128 KiB or more has later ones of that size lie among the small ones.
_RECEIVED = 1 << 16
# The longest message, in bytes: the contents of many files fit. Without a limit, a connection that
# never ends its line would fill the memory.
LONGEST = 1 << 28


class MessageStream:
    """One end of a connection. One thread receives, any may send."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        # The parts of a line whose end has not come yet, and their length.
        self._parts: list[bytes] = []
        self._length = 0
        # Several threads send: one message at a time.
        self._sending = threading.Lock()
        end.settimeout(_SENDING)

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def send(self, **words: Any) -> None:
        """Send one message; OSError if the other end is gone or does not read."""
        line = json.dumps(words).encode() + b"\n"
        with self._sending:
            self.socket.sendall(line)

    def receive(self, timeout: float) -> list[Said] | None:
        """Return the messages of `timeout` seconds, perhaps none; None at the end.

        Raises:
            OSError: the connection is broken.
            ValueError: a message is malformed, or too long.
        """
        self.socket.settimeout(timeout)
        try:
            got = self.socket.recv(_RECEIVED)
        except TimeoutError:
            return []
        finally:
            self.socket.settimeout(_SENDING)
        if not got:
            return None
        first, newline, others = got.partition(b"\n")
        self._parts.append(first)
        self._length += len(first)
        if self._length > LONGEST:
            raise ValueError("a message is too long")
        if not newline:
            return []
        *lines, rest = [b"".join(self._parts), *others.split(b"\n")]
        self._parts, self._length = [rest], len(rest)
        return [forms.parsed(line) for line in lines]

    def wake(self) -> None:
        """Wake the receiving thread, which finds the end of the stream."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(native.socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        self.socket.close()


def packed(contents: Mapping[Any, bytes | None]) -> dict[str, str | None]:
    """Encode contents of files for JSON."""
    return {
        str(path): None if content is None else base64.b64encode(content).decode()
        for path, content in contents.items()
    }


def unpacked(contents: Mapping[str, str | None]) -> dict[str, bytes | None]:
    """The opposite of `packed`."""
    return {
        path: None if content is None else base64.b64decode(content)
        for path, content in contents.items()
    }
