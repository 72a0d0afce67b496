"""Which processes of this user can be asked, and how are they asked?

The other end of `unix_socket`, for the command line. Looking never changes anything for a
process that lives, however long it takes to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfuse.config import native
from transfuse.config.native import json, time
from transfuse.control import presence
from transfuse.errors import NoAnswer, TransfuseError
from transfuse.runtime import long_path, parent, peer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from transfuse.control.presence import Card

Reply = dict[str, Any]

# Seconds in which a process shows that it can answer; it is stopped or busy otherwise.
WITHIN = 10.0
# Seconds that a process of another container is given to tell its process id here.
_TELLING = 0.2
# The pause before a connection is tried again, in seconds, when too many others wait.
_PAUSE = 0.02
# The longest answer, in bytes.
_LONGEST = 1 << 28


@dataclass(frozen=True)
class Process:
    """A running process that can be asked.

    Attributes:
        pid: its process id, as this process sees it; 0 if it is in a container out of sight.
        path: its socket.
        card: its description.
    """

    pid: int
    path: Path
    card: Card

    @property
    def name(self) -> str:
        """How a line refers to it."""
        if self.pid:
            return f"process {self.pid}"
        return f"process {self.card.pid} of another container"

    @property
    def state(self) -> str:
        """Why it may not answer: ``"stopped"``, ``"busy"``, or ``"ended"``."""
        if not self.pid:
            return "busy"
        letter = parent.state_of(self.pid)
        if letter in ("", "Z", "X"):
            return "ended" if letter else "busy"
        return "stopped" if letter in ("T", "t") else "busy"


def processes() -> list[Process]:
    """Return this user's processes that can be asked, and remove the files of dead ones."""
    found = [Process(_pid_here(card, path), path, card) for card, path in presence.cards()]
    return sorted(found, key=lambda process: (process.pid == 0, process.pid, process.card.started))


def ask(
    process: Process,
    what: str,
    *,
    timeout: float | None = 60.0,
    within: float = WITHIN,
    **more: Any,
) -> Reply:
    """Ask a process and return its answer.

    Args:
        process: one of `processes()`.
        what: ``"status"``, ``"leaks"``, ``"plan"``, ``"update"`` or ``"rollback"``.
        timeout: seconds to wait for the answer; None: for ever, once the process can answer at all.
        within: seconds in which it has to show that it can.
        **more: arguments of the question, such as ``to=12``.

    Raises:
        NoAnswer: the process is stopped, busy, or has ended.
        TransfuseError: it reports an error.
    """
    if timeout is None or timeout > within:
        _exchange(process, {"ask": "hello"}, within)
    reply = _exchange(process, {"ask": what, **more}, timeout)
    if "wrong" in reply:
        raise TransfuseError(f"{process.name}: {reply['wrong']}")
    # Its own idea of its process id is that of its container.
    return {**reply, "pid": process.pid or None}


def _exchange(process: Process, request: Reply, timeout: float | None) -> Reply:
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        with _connected(process, deadline) as connection:
            if not peer.is_of_user(connection, peer.own()):
                raise NoAnswer(f"the socket of {process.name} is not of this user", "foreign")
            connection.settimeout(_left(deadline))
            connection.sendall(json.dumps(request).encode() + b"\n")
            text = _line(connection, deadline)
        reply = json.loads(text)
    except TimeoutError:
        raise _silent(process, timeout or 0.0) from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoAnswer(f"{process.name} has ended", "ended") from None
    except OSError as error:
        raise NoAnswer(f"{process.name} does not answer: {error}", process.state) from None
    except ValueError:
        line = f"{process.name} does not answer: it closed the connection"
        raise NoAnswer(line, process.state) from None
    if not isinstance(reply, dict):
        raise NoAnswer(f"{process.name} answers nonsense", "busy")
    return reply


def _connected(process: Process, deadline: float | None) -> socket.socket:
    connection = _socket()
    try:
        while True:
            try:
                connection.settimeout(_left(deadline))
                long_path.connect(connection, process.path)
                return connection
            except BlockingIOError:
                # The queue of connections is full: the process is busy, not dead.
                time.sleep(_PAUSE)  # connects again, until the deadline
    except BaseException:
        connection.close()
        raise


def _socket() -> socket.socket:
    made: socket.socket = native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM)
    return made


def _line(connection: socket.socket, deadline: float | None) -> bytes:
    got = bytearray()
    while not got.endswith(b"\n") and len(got) < _LONGEST:
        connection.settimeout(_left(deadline))
        part = connection.recv(1 << 16)
        if not part:
            break
        got += part
    return bytes(got)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left: float = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _silent(process: Process, seconds: float) -> NoAnswer:
    state = process.state
    line = f"{process.name} does not answer within {seconds:g} s: "
    if state == "ended":
        return NoAnswer(f"{process.name} has ended", state)
    if state == "stopped":
        line += f"it is stopped, by a signal or a debugger; kill -CONT {process.pid} continues it"
    else:
        line += "it is busy, or something in it holds the GIL; it goes on as it was"
    return NoAnswer(line, state)


def _pid_here(card: Card, path: Path) -> int:
    """Return the process id of a process as this one sees it; 0 if it does not see it."""
    if card.is_near:
        return card.pid
    try:
        with _socket() as connection:
            connection.settimeout(_TELLING)
            long_path.connect(connection, path)
            found = peer.peer_of(connection)
    except OSError:
        return 0
    return 0 if found is None else found.pid
