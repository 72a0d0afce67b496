"""Where does `transfuse serve` listen?"""

from __future__ import annotations

import socket

from transfuse.errors import TransfuseError

# How many connections may wait to be accepted.
BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        TransfuseError: it cannot.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = places[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise TransfuseError(
            f"cannot listen at {host}, port {port}: {reason}; say --port or --host"
        ) from None
    return listener
