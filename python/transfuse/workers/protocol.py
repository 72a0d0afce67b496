"""How do the workers and their chair talk? In lines of JSON, by a Unix socket.

A worker says: ``joins``, ``staged``, ``fails``, ``finds nothing``, ``serves``, ``here``,
``contents?``. The chair tells it to ``do``: ``stage``, ``look again``, ``publish``, ``refuse``,
``catch up``, ``nothing``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Said = dict[str, Any]

# Who says nothing for so long is taken to hang, in seconds; all others say something more often.
SILENCE = 4.0
BEAT = 1.0
# The longest that one message may take to be sent, in seconds.
_SENDING = 2.0


class MessageStream:
    """One end of a connection. One thread reads, any may say something."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._rest = b""
        # Several threads say something: one message at a time.
        self._saying = threading.Lock()
        end.settimeout(_SENDING)

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def send(self, **words: Any) -> None:
        """Send one message; OSError if the other end is gone or does not read."""
        line = json.dumps(words).encode() + b"\n"
        with self._saying:
            self.socket.sendall(line)

    def receive(self, timeout: float) -> list[Said] | None:
        """Return what has come in `timeout` seconds, perhaps nothing; None at the end.

        Raises:
            OSError: the connection is broken.
            ValueError: what came makes no sense.
        """
        self.socket.settimeout(timeout)
        try:
            got = self.socket.recv(1 << 20)
        except TimeoutError:
            return []
        finally:
            self.socket.settimeout(_SENDING)
        if not got:
            return None
        *lines, self._rest = (self._rest + got).split(b"\n")
        return [json.loads(line) for line in lines]

    def wake(self) -> None:
        """Have the thread that hears find the end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it."""
        self.socket.close()


def packed(contents: Mapping[Any, bytes | None]) -> dict[str, str | None]:
    """What files say, as JSON can hold it."""
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
