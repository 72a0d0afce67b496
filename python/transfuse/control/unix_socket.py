"""The Unix socket by which the command line reaches a running process.

A process that serves an application, in any server, listens at
``<runtime dir>/transfuse-<uid>/<pid>.sock``, in a directory that only its user may enter. A request
is a line of JSON, and so is its answer. On systems without such sockets a process serves all the
same, and cannot be asked.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfuse import _core, workers
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import json, time
from transfuse.config.runtime_dir import own_directory
from transfuse.errors import TransfuseError
from transfuse.source.tracebacks import headline
from transfuse.updates import api, hold, messages

if TYPE_CHECKING:
    import socketserver
    from pathlib import Path

    from transfuse.updates.reports import Report


_log = get_logger("transfuse.control")

Request = Mapping[str, Any]
Reply = dict[str, Any]

# A sample of a request: {"ask": "rollback", "to": 12}.
_ANSWERS: dict[str, Callable[[Request], Reply]] = {
    "status": lambda _: _status(),
    "leaks": lambda request: _leaks(request.get("seconds", 10.0)),
    "plan": lambda _: {"roots": api.status().roots, **api.plan().to_json()},
    "hold": lambda _: _held(),
    "release": lambda _: {"released": hold.release()},
    "update": lambda request: _told(api.update(request.get("timeout"))),
    "rollback": lambda request: _told(api.rollback(request.get("to"))),
    # A process that serves answers these otherwise.
    "left behind": lambda _: {"left behind": ""},
    "handover": lambda _: _no_handover(),
}


@dataclass(frozen=True)
class Process:
    """A running process that can be asked.

    Attributes:
        pid: its process id.
        path: its socket.
    """

    pid: int
    path: Path


@dataclass
class _Listening:
    """The socket of this process.

    Attributes:
        pid: of this process; a forked child has another.
        path: the socket's.
        server: listens in a thread of its own.
        label: a description of this process.
    """

    pid: int
    path: Path
    server: socketserver.UnixStreamServer
    label: str


# None while this process cannot be asked. Written on install, uninstall and fork.
_listening: _Listening | None = None


def answer_to(what: str, make: Callable[[Request], Reply]) -> None:
    """Answer one more kind of request from now on, or one of these otherwise."""
    _ANSWERS[what] = make


def serve(label: str) -> bool:
    """Answer the command line from now on, in a daemon thread.

    Args:
        label: a description of this process, such as ``"serve shop.web:app"``; if it listens
            already, this replaces the former one.

    Returns:
        Whether it could be set up; if not, the reason is logged.
    """
    global _listening  # noqa: PLW0603 - there is one socket of a process
    try:
        path = own_directory() / f"{os.getpid()}.sock"
        if _listening is not None and _listening.path == path and path.exists():
            _listening.label = label
            return True
        close()
        path.unlink(missing_ok=True)
        server = _server(str(path))
    except (OSError, AttributeError) as error:
        _log.debug("this process cannot be asked by the command line: %s", error)
        return False
    _listening = _Listening(os.getpid(), path, server, label)
    _register_once()
    thread = native.thread(target=server.serve_forever, name="transfuse-control", daemon=True)
    thread.start()
    return True


def close() -> None:
    """Answer no more, and remove the socket; without `serve`: do nothing."""
    global _listening
    mine, _listening = _listening, None
    if mine is None:
        return
    if mine.pid != os.getpid():  # the parent's: its thread is not here
        mine.server.server_close()
        return
    # Wakes the thread that waits for a connection, which then ends.
    with contextlib.suppress(OSError):
        mine.server.socket.shutdown(native.socket.SHUT_RDWR)
    mine.server.shutdown()
    mine.server.server_close()
    mine.path.unlink(missing_ok=True)


def _at_exit() -> None:
    mine = _listening
    if mine is not None and mine.pid == os.getpid():
        mine.path.unlink(missing_ok=True)


def _after_fork() -> None:
    """Listen in the child too: a child of a serving process serves."""
    mine = _listening
    if mine is not None:
        close()
        serve(mine.label)


@functools.cache
def _register_once() -> None:
    atexit.register(_at_exit)
    # A process of multiprocessing, such as a server's worker, need not come by atexit.
    multiprocessing.util.Finalize(None, _at_exit, exitpriority=0)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def processes() -> list[Process]:
    """Return this user's processes that can be asked, and remove the sockets of dead ones."""
    found: list[Process] = []
    try:
        paths = sorted(own_directory().glob("*.sock"))
    except (OSError, AttributeError):
        return []
    for path in paths:
        if not path.stem.isdigit():
            continue
        pid = int(path.stem)
        if _is_alive(pid) and _accepts(path):
            found.append(Process(pid, path))
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda process: process.pid)


def ask(process: Process, what: str, *, timeout: float | None = 60.0, **more: Any) -> Reply:
    """Ask a process and return its answer.

    Args:
        process: one of `processes()`.
        what: ``"status"``, ``"leaks"``, ``"plan"``, ``"update"`` or ``"rollback"``.
        timeout: seconds to wait for the answer.
        **more: arguments of the question, such as ``to=12``.

    Raises:
        TransfuseError: the process reports an error, or does not answer.
    """
    try:
        with native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(process.path))
            connection.sendall(_line({"ask": what, **more}))
            with connection.makefile("rb") as stream:
                text = stream.readline()
        reply: Reply = json.loads(text)
    except (OSError, ValueError) as error:
        reason = str(error) if isinstance(error, OSError) else "it closed the connection"
        raise TransfuseError(f"process {process.pid} does not answer: {reason}") from None
    if "wrong" in reply:
        raise TransfuseError(f"process {process.pid}: {reply['wrong']}")
    return reply


def answer(text: bytes, about: Mapping[str, Any]) -> Reply:
    """Return the answer to one request.

    Args:
        text: the line that was received.
        about: facts about this process that go with each answer, such as its pid.
    """
    try:
        request = json.loads(text)
        make = _ANSWERS[request["ask"]]
    except (ValueError, KeyError, TypeError):
        return {"wrong": f"it does not know the request {text[:80]!r}"}
    try:
        return {**about, **make(request)}
    except Exception as error:
        said = str(error) if isinstance(error, TransfuseError) else headline(error)
        return {"wrong": said}


def _status() -> Reply:
    _, view = _core.view()
    return {**api.status().to_json(), "view": view, "group": workers.group()}


def _leaks(seconds: float) -> Reply:
    found = api.leaks(seconds)
    return {**found.to_json(), "lines": found.lines()}


def _no_handover() -> Reply:
    raise TransfuseError("it serves nothing that could be handed over: start it again")


def _held() -> Reply:
    hold.begin()
    text = f"holds updates until --release, or for {hold.LIMIT:.0f} s"
    return {"outcome": "held", "text": text}


def _told(report: Report) -> Reply:
    text = messages.update_text(report, api.status().roots)
    return {**report.to_json(), "text": text}


def _server(path: str) -> socketserver.UnixStreamServer:
    started = time.time()

    class Handler(native.socketserver.StreamRequestHandler):  # type: ignore[misc]
        timeout = 60

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self._exchange(self.rfile, self.wfile)

        def _exchange(self, asked: Any, said: Any) -> None:
            label = "" if _listening is None else _listening.label
            about = {"pid": os.getpid(), "process": label, "started": started}
            said.write(_line(answer(asked.readline(65536), about)))

    class Server(native.socketserver.ThreadingUnixStreamServer):  # type: ignore[misc]
        daemon_threads = True
        # More questions may wait while the process is busy than the default of 5.
        request_queue_size = 64
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
            _log.debug("a question of the command line failed", exc_info=True)

    return Server(path, Handler)


def _line(values: Mapping[str, Any]) -> bytes:
    line: bytes = json.dumps(values).encode() + b"\n"
    return line


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _accepts(path: Path) -> bool:
    try:
        with native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        # A server that is stopped, or busy in a call into C: its queue is full.
        return True
    return True
