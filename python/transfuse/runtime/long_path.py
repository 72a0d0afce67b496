"""How is a Unix socket bound and reached whose path is longer than an address may be?

An address has room for 107 bytes on Linux, and the path of the folder alone may be longer. On Linux
the folder is then opened, and named by its descriptor: ``/proc/self/fd/7/0.sock``. The file is the
same, so it does not matter which of the two names the other end uses.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

# The length of a path that each system takes, in bytes: macOS has room for the fewest.
_SHORT = 100


def bind(end: socket.socket, path: str | os.PathLike[str]) -> None:
    """Bind a socket to a path, however long that is.

    Raises:
        OSError: the path is taken, cannot be written to, or is too long on this system.
    """
    with _short(path) as address:
        end.bind(address)


def connect(end: socket.socket, path: str | os.PathLike[str]) -> None:
    """Connect a socket to the one at a path, however long that is.

    Raises:
        OSError: nothing listens there, or the path is too long on this system.
    """
    with _short(path) as address:
        end.connect(address)


@contextlib.contextmanager
def _short(path: str | os.PathLike[str]) -> Iterator[str]:
    text = os.fspath(path)
    if len(os.fsencode(text)) <= _SHORT or not hasattr(os, "O_PATH"):
        yield text
        return
    folder, name = os.path.split(text)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
