"""Which user and which process is at the other end of a Unix socket?

The system says so, as of the moment at which that end was connected or began to listen.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

# pid, uid, gid: struct ucred of Linux.
_CREDENTIALS = struct.Struct("iII")


class Peer(NamedTuple):
    """The process at the other end.

    Attributes:
        pid: its process id as this process has it; 0 if it is in a container out of sight.
        uid: its user, as this process has it.
    """

    pid: int
    uid: int


def peer_of(end: socket.socket) -> Peer | None:
    """Return the other end of a connected socket; None where the system does not say.

    Raises:
        OSError: it is not connected.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    pid, uid, _ = _CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return Peer(pid, uid)


def is_of_user(end: socket.socket, uid: int) -> bool:
    """Return whether the other end is of that user.

    Where the system does not say, the folder of the socket decides, which others may not enter.
    """
    try:
        peer = peer_of(end)
    except OSError:
        return False
    return peer is None or peer.uid == uid


def own() -> int:
    """Return the user that others see at the sockets that this process makes now."""
    return os.geteuid()
