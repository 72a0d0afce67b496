"""What does each worker do to switch together with the others?

A `Member` has a thread that hears the chair, takes the chair if nobody has it, and takes part in
updates: between staging and publishing the updating thread waits here for the word. Where no chair
can be had, a worker goes on alone: serving matters more than switching at one instant.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from transfuse import _core, stages
from transfuse.errors import Outdated, TransfuseError, WorkerRefused
from transfuse.traces import headline
from transfuse.updates import on_update
from transfuse.workers import meeting as meetings
from transfuse.workers.chair import Chair
from transfuse.workers.wire import BEAT, SILENCE, Wire, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.reports import Report
    from transfuse.settings import Settings
    from transfuse.workers.meeting import Meeting
    from transfuse.workers.wire import Said

_log = logging.getLogger("transfuse.workers")

# How long a worker that starts waits for another to take the chair of one that is dead, in seconds.
_TAKING_OVER = 0.5
# The longest that a worker which has staged waits for a chair to be there, in seconds.
_ALONE = 3 * SILENCE

# The member of this process, or None. Written by whoever installs, uninstalls or forks.
_member: Member | None = None
# With which settings, so that a forked child joins as well; None if workers do not switch together.
_settings: Settings | None = None


def begin(settings: Settings) -> None:
    """Switch together with the other workers of this process's server from now on, if it has any.

    Args:
        settings: what was installed just now.
    """
    global _member, _settings  # noqa: PLW0603 - there is one import system in a process
    if not settings.together:
        return
    _register_once()
    _settings = settings
    place = meetings.ours(settings.roots)
    if place is not None:
        _member = Member(place, settings.time_limit)


def leave() -> None:
    """Switch alone again."""
    global _member, _settings
    member, _member, _settings = _member, None, None
    if member is not None:
        member.end()


def contents_of_others(settings: Settings) -> tuple[dict[str, bytes | None], int]:
    """Return what the other workers serve of files that say something else on disk.

    They may have refused what is on disk; a worker that starts now must serve what they serve.

    Returns:
        File to content (None: it is not there), and the number of their generation; nothing and 1
        if there are no others.
    """
    place = meetings.ours(settings.roots) if settings.together else None
    end = place.find(_TAKING_OVER) if place else None
    if end is None:
        return {}, 1
    wire = Wire(end)
    try:
        wire.say(say="contents?")
        until = time.monotonic() + SILENCE
        while time.monotonic() < until:
            for said in wire.hear(BEAT) or ():
                if said["do"] == "take":
                    return unpacked(said["contents"]), said["generation"]
    except (OSError, ValueError):
        _log.debug("the other workers could not be asked", exc_info=True)
    finally:
        wire.close()
    return {}, 1


class Member:
    """This process among the workers of its server.

    Args:
        meeting: where they meet.
        limit: seconds that the others may take to stage.
    """

    rank = 50

    def __init__(self, meeting: Meeting, limit: float) -> None:
        self._meeting = meeting
        self._limit = limit + _ALONE
        generation, self._at = _core.view()
        self._generation = generation
        # When that was published, by `time.monotonic`; None if it was loaded so.
        self._since: float | None = None
        # Guards what the two threads hand each other: all below.
        self._news = threading.Condition()
        self._wire: Wire | None = None
        # What is staged and waits for the word; None if nothing does.
        self._waiting: str | None = None
        self._contents: dict[str, Any] | None = None
        self._word: Said | None = None
        self._over = False
        self._chair: Chair | None = None
        self._unsubscribe = on_update(self._heard_of)
        stages.join(self)
        self._thread = threading.Thread(target=self._run, name="transfuse-workers", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Leave the others."""
        self._unsubscribe()
        stages.leave(self)
        with self._news:
            self._over = True
            self._news.notify_all()
            wire = self._wire
        if wire is not None:
            wire.wake()
        self._thread.join(SILENCE)
        if self._chair is not None:
            self._chair.end()

    def drop(self) -> None:
        """Let go of what a forked child has inherited."""
        if self._wire is not None:
            self._wire.close()
        if self._chair is not None:
            self._chair.drop()

    # Taking part in updates: the updating thread.

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Wait until all have staged.

        Raises:
            WorkerRefused: one of the others could not, or did not in time.
            Outdated: the others have found later files.
        """
        view = _core.wanted_view()
        contents = None if on_disk else packed(_core.differing(wanted=True))
        with self._news:
            self._waiting, self._contents, self._word = view, contents, None
        self._say(say="staged", view=view, contents=contents)
        word = self._await_word()
        if word["do"] == "refuse":
            raise WorkerRefused(f"another worker could not load it: {word['why']}")
        if word["do"] == "look again":
            self._start(self._look_again)
            raise Outdated("another worker has found later files")

    def published(self, generation: int) -> None:
        """Tell the others."""
        with self._news:
            self._since = time.monotonic()
            self._at, self._waiting = self._waiting or self._at, None
            self._generation = generation
        self._tell_what_is_served()

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """Nothing waits any more."""
        with self._news:
            self._waiting = None

    def _await_word(self) -> Said:
        began = unheard = time.monotonic()
        with self._news:
            while self._word is None and not self._over:
                self._news.wait(BEAT)
                now = time.monotonic()
                if self._wire is not None:
                    unheard = now
                if now - unheard > _ALONE:
                    _log.warning("no other worker can be reached; this one goes on alone")
                    break
                if now - began > self._limit:
                    return {"do": "refuse", "why": "the other workers have not come to an end"}
            return self._word or {"do": "publish"}

    def _heard_of(self, report: Report) -> None:
        error = report.error
        if report.outcome == "refused" and not isinstance(error, WorkerRefused):
            self._say(say="fails", why="" if error is None else headline(error))

    # What the chair tells: a thread of its own.

    def _run(self) -> None:
        while not self._over:
            number = self._meeting.number()
            try:
                end = self._meeting.connect(number)
                taken = None if end else self._meeting.take(number)
            except OSError as error:
                # The folder is gone, and with it the server; or its path is too long for a socket.
                _log.debug("the other workers cannot be met: %s", error)
                with self._news:
                    self._over = True
                    self._news.notify_all()
                return
            if taken is not None:
                self._chair = Chair(self._meeting, number, *taken)
                continue
            if end is None:
                time.sleep(0.02)
                continue
            wire = Wire(end)
            try:
                silent = self._converse(wire)
            except (OSError, ValueError):
                silent = False
            with self._news:
                self._wire = None
            wire.close()
            if silent:
                self._meeting.distrust(number)

    def _converse(self, wire: Wire) -> bool:
        """Talk until the end; return whether the chair has fallen silent."""
        with self._news:
            said = {
                "view": self._at,
                "generation": self._generation,
                "staged": self._waiting,
                "contents": self._contents,
                "pid": os.getpid(),
            }
            self._wire = wire
        wire.say(say="joins", **said)
        heard = beat = time.monotonic()
        while not self._over:
            messages = wire.hear(BEAT / 2)
            now = time.monotonic()
            if messages is None:
                return False
            if messages:
                heard = now
            elif now - heard > SILENCE:
                return True
            if now - beat > BEAT:
                beat = now
                wire.say(say="here")
            for message in messages:
                self._obey(message)
        return False

    def _obey(self, order: Said) -> None:
        what = order["do"]
        if what in ("publish", "refuse", "look again"):
            with self._news:
                self._word = order
                self._news.notify_all()
        elif what == "stage":
            self._start(self._stage, order)
        elif what == "catch up":
            self._start(self._catch_up, order)

    # What waits for an update, and so needs a thread of its own.

    def _stage(self, order: Said) -> None:
        _core.number_from(order["generation"])
        if order.get("contents"):
            _core.adopt(unpacked(order["contents"]))
        else:
            _core.update()
        if self._at != order["view"] and self._waiting is None:
            self._say(say="finds nothing")

    def _look_again(self) -> None:
        _core.update()

    def _catch_up(self, order: Said) -> None:
        _core.number_from(order["generation"])
        _core.update()
        if self._at != order["view"]:
            _core.adopt(unpacked(order["contents"]))
        if self._at != order["view"]:
            # Only what waits for a restart can differ now.
            _log.debug("this worker cannot serve all that the others serve")

    def _start(self, task: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            # Transfuse may be uninstalled, or the process be ending, at this moment.
            with contextlib.suppress(TransfuseError):
                task(*arguments)

        threading.Thread(target=run, name="transfuse-catch-up", daemon=True).start()

    def _tell_what_is_served(self) -> None:
        with self._news:
            said = {"view": self._at, "generation": self._generation, "since": self._since}
        self._say(say="serves", **said)

    def _say(self, **words: Any) -> None:
        wire = self._wire
        if wire is not None:
            # Whoever is not heard says it again when it joins anew.
            with contextlib.suppress(OSError):
                wire.say(**words)


@functools.cache
def _register_once() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """A child is another worker: of its parent's server, or of its parent."""
    global _member  # noqa: PLW0603
    if _member is not None:
        _member.drop()
        stages.leave(_member)
        _member = None
    if _settings is not None and _core.installed():
        begin(_settings)
