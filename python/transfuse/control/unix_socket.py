"""How the command line reaches a running process, and the answers of that.

A process that serves an application, in any server, listens at a socket that only its user may
reach (`presence`, `listener`). A request is a line of JSON, and so is its answer. On systems
without such sockets a process serves all the same, and cannot be asked.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from transfuse import _core, workers
from transfuse.config.logs import get_logger
from transfuse.config.native import json, threading, time
from transfuse.config.runtime_dir import own_directory
from transfuse.control import presence
from transfuse.control.listener import Listener
from transfuse.errors import TransfuseError
from transfuse.last_served import keeper, resumed
from transfuse.process.install import installed_settings
from transfuse.source.tracebacks import headline
from transfuse.updates import api, hold, messages

if TYPE_CHECKING:
    from pathlib import Path

    from transfuse.control.presence import Presence
    from transfuse.updates.reports import Report


_log = get_logger("transfuse.control")

Request = Mapping[str, Any]
Reply = dict[str, Any]

# The longest time that a search for the holders of old code may take, in seconds.
_LONGEST_SEARCH = 3600.0
# The end of an answer that was sent before the state was on disk.
NOT_KEPT = "; it is not kept on disk, and would not outlive this server"

# A sample of a request: {"ask": "rollback", "to": 12}. A process that answers "hello" can answer.
_ANSWERS: dict[str, Callable[[Request], Reply]] = {
    "hello": lambda _: {},
    "status": lambda _: status(),
    "leaks": lambda request: _leaks(request.get("seconds", 10.0)),
    "plan": lambda _: {"roots": api.status().roots, **api.plan().to_json()},
    "hold": lambda _: _held(),
    "release": lambda _: {"released": hold.release()},
    "update": lambda request: _told(
        api.update(request.get("timeout"), confirm_within=request.get("confirm_within"))
    ),
    "confirm": lambda _: _confirm(),
    "rollback": lambda request: rolled_back(roll_back(request)),
    "accept": lambda request: _kept(_told(api.accept(*request.get("paths", ())))),
    "history": lambda _: _history(),
    # A process that serves answers these otherwise.
    "left behind": lambda _: {"left behind": ""},
    "handover": lambda _: _no_handover(),
}


@dataclass
class _Listening:
    """The socket of this process.

    Attributes:
        pid: of this process; a forked child has another.
        presence: its files.
        listener: answers there.
    """

    pid: int
    presence: Presence
    listener: Listener

    @property
    def path(self) -> Path:
        """The socket."""
        return self.presence.socket


# None while this process cannot be asked. Written on install, uninstall and fork.
_listening: _Listening | None = None
# The description of this process while it is held back; empty until it has one, None if it is not.
_held_back: str | None = None
# Held while `_listening` is written: several threads may serve for the first time at once.
_changing = threading.RLock()


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
    global _held_back  # noqa: PLW0603 - as above
    if _held_back is not None:
        _held_back = label
        return True
    settings = installed_settings()
    server = None if settings is None else workers.server(settings)
    return _serve(label, server)


def hold_back() -> None:
    """Listen only after `show`: a fresh process of a handover is found once it serves."""
    global _held_back  # noqa: PLW0603
    _held_back = ""


def show() -> None:
    """Listen from now on, if this process was held back and has served meanwhile."""
    global _held_back
    label, _held_back = _held_back, None
    if label:
        serve(label)


def _serve(label: str, server: str | None) -> bool:
    global _listening  # noqa: PLW0603 - there is one socket of a process
    with _changing:
        mine = _listening
        try:
            if mine is not None and mine.pid == os.getpid() and _can_be_found(mine):
                mine.presence.write(mine.presence.card._replace(process=label))
                return True
            close()
            found = presence.enter(label, time.time(), installed_settings(), server)
            try:
                listener = Listener(found.socket, _line_for)
            except BaseException:
                found.leave()
                raise
        except (OSError, AttributeError) as error:
            _log.debug("this process cannot be asked by the command line: %s", error)
            return False
        _listening = _Listening(os.getpid(), found, listener)
    _register_once()
    return True


def _can_be_found(mine: _Listening) -> bool:
    return mine.path.parent == own_directory() and mine.path.exists()


def close() -> None:
    """Answer no more, and remove the socket; without `serve`: do nothing."""
    global _listening
    with _changing:
        mine, _listening = _listening, None
        if mine is None:
            return
        if mine.pid == os.getpid():
            mine.listener.close()
        else:  # the parent's: its thread is not here
            mine.listener.drop()
        mine.presence.leave()


def _at_exit() -> None:
    mine = _listening
    if mine is not None and mine.pid == os.getpid():
        # The lock is held to the end: until then it lives.
        presence.remove(mine.presence.folder, mine.presence.card.name)


def _after_fork() -> None:
    """Listen in the child too: a child of a serving process serves, and is of the same server."""
    global _changing  # noqa: PLW0603
    _changing = threading.RLock()  # another thread may have held it while the process forked
    mine = _listening
    if mine is not None:
        close()
        _serve(mine.presence.card.process, mine.presence.card.server)


@functools.cache
def _register_once() -> None:
    atexit.register(_at_exit)
    # A process of multiprocessing, such as a server's worker, need not come by atexit. One that has
    # not imported it is none.
    if (multiprocessing := sys.modules.get("multiprocessing.util")) is not None:
        multiprocessing.Finalize(None, _at_exit, exitpriority=0)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def answer(text: bytes, about: Mapping[str, Any]) -> Reply:
    """Return the answer to one request.

    Args:
        text: the line that was received.
        about: facts about this process that go with each answer, such as its pid.
    """
    try:
        request = json.loads(text)
        make = _ANSWERS[request["ask"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"wrong": f"it does not know the request {text[:80]!r}"}
    try:
        return {**about, **make(request)}
    except Exception as error:
        said = str(error) if isinstance(error, TransfuseError) else headline(error)
        return {"wrong": said}


def _line_for(text: bytes) -> bytes:
    mine = _listening
    about: Reply = {}
    if mine is not None:
        card = mine.presence.card
        about = {
            "pid": card.pid,
            "process": card.process,
            "project": card.project,
            "started": card.started,
        }
    line: bytes = json.dumps(answer(text, about)).encode() + b"\n"
    return line


def status() -> Reply:
    """Return the status of this process, as the command line gets it."""
    _, view = _core.view()
    more: Reply = {"view": view, "group": workers.group(), "resumed": _resumed(), "finishing": []}
    return {**api.status().to_json(), **more}


def _confirm() -> Reply:
    trial = api.confirm()
    now = api.status().generation
    if trial is None:
        return {"outcome": "unchanged", "text": f"nothing is on trial; serving generation {now}"}
    return {"outcome": "confirmed", "text": f"confirmed: generation {now} stays"}


def roll_back(request: Request) -> Report:
    """Make the rollback that the command line asks for, or only tell what it would do."""
    to: int | datetime | None = request.get("to")
    if request.get("at") is not None:
        to = datetime.fromtimestamp(request["at"])
    return api.rollback(to, dry_run=request.get("dry_run", False))


def rolled_back(report: Report) -> Reply:
    """Answer a request for a rollback, which came to this."""
    return _kept(_told(report))


def _history() -> Reply:
    now = api.status()
    entries = [each.to_json() for each in api.history()]
    more = {"set_aside": now.set_aside, "resumed": _resumed()}
    return {"roots": now.roots, **more, "entries": entries}


def _leaks(seconds: float) -> Reply:
    found = api.leaks(min(float(seconds), _LONGEST_SEARCH))
    return {**found.to_json(), "lines": found.lines()}


def _no_handover() -> Reply:
    raise TransfuseError("it serves nothing that could be handed over: start it again")


def _held() -> Reply:
    hold.begin()
    text = f"holds updates until --release, or for {hold.LIMIT:.0f} s"
    return {"outcome": "held", "text": text}


def _kept(reply: Reply) -> Reply:
    """Answer once what is served now would outlive this process."""
    if not keeper.wait_until_kept():
        reply["text"] += NOT_KEPT
    return reply


def _resumed() -> Reply | None:
    began = resumed.here()
    return None if began is None else began.to_json(api.status().roots)


def _told(report: Report) -> Reply:
    text = messages.update_text(report, api.status().roots)
    return {**report.to_json(), "text": text}
