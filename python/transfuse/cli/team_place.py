"""What does a process of `transfuse serve` set up, so that others can take over from it?"""

from __future__ import annotations

import contextlib
import json
import multiprocessing.util
import os
import sys
from typing import TYPE_CHECKING, Any

from transfuse import _core, workers
from transfuse.cli.terminal import say
from transfuse.config import native
from transfuse.config.native import time
from transfuse.control import unix_socket
from transfuse.errors import NeedsFreshProcesses, TransfuseError
from transfuse.handover import occasions
from transfuse.handover.finishing import Notes, noted
from transfuse.handover.member import Member
from transfuse.handover.parent import name_of_team, private_path, taken_along
from transfuse.handover.retirement import IDLE, Retirement, stop_accepting
from transfuse.last_served import keeper
from transfuse.process.install import installed_settings, stop_updating
from transfuse.runtime.parent import age
from transfuse.servers import closing_connections, connection_drain, entry_gate, smoke_check
from transfuse.updates import api, cost, messages, trial
from transfuse.workers.protocol import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONFIRM_FIRST = (
    "generation {} is on trial, and fresh processes could not go back: 'transfuse confirm' or"
    " 'transfuse rollback' ends the trial"
)
# How long a new interpreter takes until it begins with the application, in seconds.
_LOADING = 0.5
# The longest that updates are held while others are about to take over, in seconds.
_SWITCH = 600.0
# Of the finalizers of multiprocessing, the one that is called last.
_LAST = -1000


class Place:
    """The place of this process in a team.

    Args:
        folder: of the server alone.
        listener: the descriptor at which all workers accept.
        team: the number of the team.
        stop_within: how long this process may finish what it has once its parent is gone, in
            seconds.
        refuse: called if the check raises, with this process's member and the exception.
        announce: called when this process may serve.
        retired: called when others have taken over.
    """

    def __init__(
        self,
        folder: str,
        listener: int,
        team: int,
        stop_within: float,
        *,
        refuse: Callable[[Member | None, BaseException], None],
        announce: Callable[[], None],
        retired: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._path = private_path(folder)
        self._listener = listener
        self._team = team
        self._stop_within = stop_within
        # True from the moment at which this process may serve until it retires.
        self._serves = False
        self._refuse, self._announce, self._retired = refuse, announce, retired
        self._application: object = None
        self._member: Member | None = None
        # The number of commands that wait for fresh processes; guarded by the lock.
        self._questions, self._lock = 0, native.threading.Lock()
        # The number of the hold while others are about to take over; else None.
        self._held: int | None = None

    def enter(self) -> Member:
        """Tell the parent that this process is there, before anything is loaded."""
        if self._team:
            unix_socket.hold_back()
            multiprocessing.util.Finalize(None, _end_at_once, exitpriority=_LAST)
        # A program that this process starts must not hold the socket open.
        os.set_inheritable(self._listener, False)
        workers.join_team(self._team)
        self._member = Member(
            self._path,
            self._team,
            check=self._check,
            refuse=lambda error: self._refuse(self._member, error),
            announce=self._show,
            retire=self._retire,
            put_off=occasions.put_off,
            hold=self._hold,
            go_on=self._go_on,
            orphaned=self._end_without_parent,
        )
        return self._member

    @property
    def taken_along(self) -> workers.Served | None:
        """Return the content that the former processes serve; None if this process takes none."""
        served = self._taken_along()
        if served is None:
            return None
        contents = unpacked(served["contents"])
        number, back_to = served["generation"] + 1, served["back_to"]
        return workers.Served(contents, served["aside"], number, back_to)

    def unvetted(self) -> list[str]:
        """Return the modules that only the former processes have loaded, of other content.

        They may have refused that content: then the first request that imports it would fail here.
        """
        served = self._taken_along() or {"loaded": []}
        here = {name for name, _, _ in _core.loaded()}
        return [
            name
            for name, path, digest in served["loaded"]
            if name not in here and _core.file_digest(path) not in (None, "", digest)
        ]

    def _taken_along(self) -> dict[str, Any] | None:
        try:
            with open(taken_along(self._folder, self._team), encoding="utf-8") as file:
                served: dict[str, Any] = json.load(file)
        except OSError:
            return None
        return served

    def take_up(self, application: object, interface: str) -> bool:
        """The application is loaded: return whether the server may begin with it.

        Args:
            application: the object that the server will hold.
            interface: ``"asgi"`` or ``"wsgi"``. An ASGI server begins with the application's
                startup, and passes the gate after that.
        """
        assert self._member is not None
        self._application = application
        unix_socket.answer_to("handover", self._hand_over)
        unix_socket.answer_to("rollback", self._roll_back)
        unix_socket.answer_to("status", self._status)
        occasions.attend(self._ask, self._gone_back, self._member.on_trial)
        if interface == "asgi":
            entry_gate.close(self._member)
            return True
        return self._member.wait_until_it_may_serve()

    def _hand_over(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        if (on_trial := trial.running()) is not None:
            text = f"not handed over: {_CONFIRM_FIRST.format(on_trial.generation)}"
            return {"outcome": "refused", "text": f"{text}; nothing has changed"}
        word = self._ask_and_wait()
        if word["why"] is None:
            text = f"handed over to fresh processes{word['but']}"
            return {"outcome": "handed over", "text": text}
        text = f"not handed over: {word['why']}; nothing has changed\n{word['trace']}"
        return {"outcome": "refused", "text": text.rstrip()}

    def _roll_back(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Go back in place, or by fresh processes where that is impossible."""
        report = unix_socket.roll_back(request)
        needs_others = isinstance(report.error, NeedsFreshProcesses)
        if not needs_others or report.back_to is None or occasions.mode() == "never":
            return unix_socket.rolled_back(report)
        word = self._ask_and_wait(report.back_to[0])
        where = messages.back_text(report, api.status().roots)
        if word["why"] is None:
            text = f"rolled back by fresh processes: {where}{word['but']}"
            done = {"outcome": "rolled back", "by_fresh_processes": True, "text": text}
            return {**report.to_json(), "error": None, **done}
        text = f"not rolled back: {word['why']}; nothing has changed\n{word['trace']}"
        return {**report.to_json(), "text": text.rstrip()}

    def _ask_and_wait(self, back_to: int | None = None) -> dict[str, Any]:
        """Request a handover, and wait until the state that it serves is on disk.

        Args:
            back_to: as `_served` takes it.

        Returns:
            As `Member.ask_and_wait` does, and ``but``: words for a state that is not kept.
        """
        assert self._member is not None
        former = keeper.here()
        with self._lock:
            self._questions += 1
        try:
            word = self._member.ask_and_wait(self._served(back_to))
            fresh = name_of_team(self._folder, word["team"])
            is_lost = word["why"] is None and former is not None and not former.wait_for(fresh)
        finally:
            with self._lock:
                self._questions -= 1
        return {**word, "but": unix_socket.NOT_KEPT if is_lost else ""}

    def _check(self) -> None:
        smoke_check.run()
        # This one was forked if its team is the first; a fresh process imports that by itself.
        more = 0.0 if self._team else _LOADING
        lasted = age(os.getpid())
        if lasted is not None:
            cost.fresh_processes_take(lasted + more, occasions.costs_more)

    def _status(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {**unix_socket.status(), "finishing": noted(self._folder)}

    def _show(self) -> None:
        self._serves = True
        unix_socket.show()
        self._announce()

    def _ask(self) -> None:
        assert self._member is not None
        self._member.ask(self._served())

    def _gone_back(self, waits: bool) -> None:
        assert self._member is not None
        self._member.gone_back(self._served(), waits)

    def _served(self, back_to: int | None = None) -> dict[str, Any]:
        """Return what fresh processes are to take along: what a rollback has left stays left.

        Args:
            back_to: a former generation that they are to serve, and leave all else.
        """
        # They can go back to what is on disk of former generations.
        keeper.wait_until_kept()
        aside = {str(path) for path in _core.set_aside()}
        served = _core.differing(of=back_to) if aside or back_to is not None else {}
        if back_to is not None:
            aside = {str(path) for path in served}
        return {
            "back_to": back_to,
            "generation": api.status().generation,
            "aside": sorted(aside),
            "loaded": [(name, str(path), digest) for name, path, digest in _core.loaded()],
            "contents": packed({path: text for path, text in served.items() if str(path) in aside}),
        }

    def _hold(self, back_to: int | None) -> dict[str, Any]:
        """Publish nothing more by itself, and return what fresh processes are to take along.

        They have read what can be gone back to when they began, and would not know the rest.
        """
        self._held = _core.hold(_SWITCH)
        # An update that is under way ends first.
        with contextlib.suppress(TransfuseError):
            _core.plan()
        return self._served(back_to)

    def _go_on(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            _core.release(held)

    def _end_without_parent(self) -> None:
        """End as on SIGTERM: without the parent nothing replaces this process or frees the port."""
        if not self._serves:
            return
        say("the process that started this one is gone; this one ends with its requests", "red")
        native.thread(target=self._end_late, name="transfuse-end", daemon=True).start()
        self._retire()

    def _end_late(self) -> None:
        time.sleep(self._stop_within)  # the process ends during this pause if its requests do
        os._exit(1)

    def _retire(self) -> None:
        self._serves = False
        settings = installed_settings()
        notes = Notes(self._folder, IDLE, None if settings is None else settings.drain)
        retirement = Retirement(self._listener, notes.note, lambda: self._questions > 0)
        # First, because another server may be about to listen on this address.
        stop_accepting(self._listener)
        # Before all steps that may wait: clients would go on using connections that end soon.
        closing_connections.begin(self._application)
        # It serves the same from now on: there are no more updates.
        stop_updating()
        keeper.end()
        self._retired()
        trial.abandon("because fresh processes serve")
        workers.leave()
        # Commands are for the processes that serve. An answer that is under way is still sent.
        unix_socket.close()
        if settings is not None and settings.drain is not None:
            connection_drain.end_all_after(settings.drain)
        retirement.run()
        notes.end()


def _end_at_once() -> None:
    """End like a forked worker, which multiprocessing ends without Python's finalization.

    That would end Granian's threads, which the C library takes for an error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
