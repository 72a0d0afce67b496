"""How does the parent of all teams hear them, and tell them what to do?

A thread in the parent process receives, and the main thread, which starts and ends processes, takes
what was received and sends.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from transfuse.runtime import long_path
from transfuse.workers.protocol import MessageStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.workers.protocol import Said


class Parent:
    """The parent's end of the connections to the processes of its teams.

    Args:
        path: of the Unix socket that they connect to; in a folder of this user alone.
        wake: called in the receiving thread when there is something to take.
    """

    def __init__(self, path: str, wake: Callable[[], None]) -> None:
        self.path = path
        self._wake = wake
        self._selector = selectors.DefaultSelector()
        self._listener = self._listen()
        # Process id -> its connection. The receiving thread writes, the main thread sends.
        self._streams: dict[int, MessageStream] = {}
        # All open connections, by descriptor. The receiving thread's.
        self._all: dict[int, MessageStream] = {}
        # What was received: the main thread takes it.
        self._inbox: collections.deque[Said] = collections.deque()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.drop)
        self._thread = threading.Thread(target=self._run, name="transfuse-parent", daemon=True)
        self._thread.start()

    def listen_anew(self) -> None:
        """Listen again if the socket was removed. Its folder exists.

        Raises:
            OSError: it cannot be made.
        """
        if not os.path.exists(self.path):
            former, self._listener = self._listener, self._listen()
            self._selector.unregister(former)
            former.close()

    def take(self) -> list[Said]:
        """Return what was received since the last call, in order."""
        taken: list[Said] = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._inbox.popleft())
        return taken

    def tell(self, pid: int, order: Said) -> None:
        """Send an order; a process that is gone is reported as ended by the system."""
        stream = self._streams.get(pid)
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.send(**order)

    def drop(self) -> None:
        """Close the descriptors that a forked child has inherited."""
        with contextlib.suppress(OSError):
            self._listener.close()
            # Only the descriptor: what is registered there is registered for the parent, too.
            self._selector.close()
            for stream in list(self._all.values()):
                stream.close()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            long_path.bind(listener, self.path)
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        self._selector.register(listener, selectors.EVENT_READ, listener)
        return listener

    def _run(self) -> None:
        while True:
            try:
                for key, _ in self._selector.select():
                    if key.data is not None:
                        self._accept(key.data)
                    else:
                        self._read(self._all[key.fd])
            except (OSError, ValueError):
                if self._listener.fileno() < 0:
                    return

    def _accept(self, listener: socket.socket) -> None:
        end, _ = listener.accept()
        stream = MessageStream(end)
        self._all[stream.fileno()] = stream
        self._selector.register(end, selectors.EVENT_READ)

    def _read(self, stream: MessageStream) -> None:
        try:
            messages = stream.receive(0.0)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            messages = None
        if messages is None:
            self._lose(stream)
            return
        for said in messages:
            if said.get("say") == "enters":
                self._streams[said["pid"]] = stream
            self._inbox.append(said)
        self._wake()

    def _lose(self, stream: MessageStream) -> None:
        self._selector.unregister(stream.socket)
        self._all.pop(stream.fileno(), None)
        for pid, other in list(self._streams.items()):
            if other is stream:
                del self._streams[pid]
        stream.close()


def private_path(folder: str) -> str:
    """Return the path of the parent's socket in a folder of this user alone."""
    return os.path.join(folder, "parent.sock")


def name_of_team(folder: str, team: int) -> str:
    """Return a name that no other team of this server, or of a former one, has."""
    # The folder has a random name.
    return f"{os.path.basename(folder)} {team}"


def taken_along(folder: str, team: int) -> str:
    """Return the file that tells a team what to take along from the one that serves."""
    return os.path.join(folder, f"taken-along-{team}.json")
