"""Which process writes what is served, and when?

A `Keeper` is a thread that writes after each update, and never before one: no request and no update
waits for it. Of the processes of one server the one with the lock of the folder writes. Each of the
others tries to get it every second, so that another goes on when that one ends, however it ends.
Fresh processes try it much more often at first: until one of them has written, the state on disk is
that of those that they take over from, which a rollback may have left.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import threading, time
from transfuse.errors import TransfuseError
from transfuse.last_served import places
from transfuse.last_served.kept_folder import KeptFolder
from transfuse.runtime import file_lock
from transfuse.updates.api import on_update

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.config.settings import Settings
    from transfuse.last_served.resumed import Place
    from transfuse.updates.reports import Report

_log = get_logger("transfuse")

# How often a process without the lock tries to get it, in seconds.
_TRY = 1.0
# The same interval after a handover, and how long it applies: the former processes release the
# lock when all fresh processes serve.
_TRY_SOON, _SOON = 0.02, 10.0
# How long after a failure it is tried again, in seconds; at the next update in any case.
_AGAIN = 30.0
# The longest that the answer to a rollback waits until it is kept, in seconds.
_PATIENCE = 2.0
# The longest wait, in seconds, for fresh processes to write the state that they serve.
_TAKING_OVER = 5.0
# How long it takes a thread to end, in seconds.
_END = 5.0


def _nothing() -> None:
    """Do nothing."""


class Keeper:
    """Keeps what this process serves, from a time on.

    Args:
        settings: the installed ones.
        place: where, and whether this process tells a failure.
        after: seconds until the first write, unless there is an update before.
        tried: called after the first write of this process, also if it has failed.
    """

    def __init__(
        self, settings: Settings, place: Place, after: float, tried: Callable[[], object]
    ) -> None:
        self._place = place
        limit = settings.store << 20
        about = (place.label, " ".join(settings.roots))
        folder = places.folder_of(settings, place.label)
        self._main = KeptFolder(folder, about, limit, is_shared=True)
        self._spare = None
        if place.spare:
            self._spare = KeptFolder(Path(place.spare), about, limit, is_shared=False)
        # The one of them that can be written.
        self._at = self._main
        self._after, self._first_tried = after, tried
        self._soon_until = time.monotonic() + _SOON
        # Guards the fields that follow.
        self._news = threading.Condition()
        # How often a write was asked for, up to which of these it was tried, and has succeeded.
        self._asked, self._tried, self._written = 1, 0, 0
        self._over = False
        self._fails = False
        self._unsubscribe = on_update(self._hear)
        self._thread = native.thread(target=self._run, name="transfuse-keeper", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Write what is still to be written, and let another process write."""
        self._unsubscribe()
        with self._news:
            self._over = True
            self._news.notify_all()
        self._thread.join(_END)
        if not self._thread.is_alive():
            self._release()

    def drop(self) -> None:
        """Close the descriptor that a forked child has inherited."""
        self._unsubscribe()
        self._release()

    def wait(self) -> bool:
        """Wait until the current state is kept, for a while; return whether it is."""
        until, sign = time.monotonic() + _PATIENCE, self._sign()
        with self._news:
            self._ask()
            mine = self._asked
            while not self._over and time.monotonic() < until:
                is_theirs = not self._at.has_lock and self._at.signed() == sign
                if self._written >= mine or is_theirs:
                    # Otherwise it is kept for as long as this server lasts.
                    return self._at is self._main
                if self._fails and self._tried >= mine:
                    return False
                # Nothing signals that another process has written: looked at until then.
                self._news.wait(0.02 if not self._at.has_lock else until - time.monotonic())
        return False

    def wait_for(self, by: str) -> bool:
        """Wait for other processes to write the state that they serve; return whether they have.

        Args:
            by: their name, as `resumed.Place` has it. This process may have ended its part.
        """
        until = time.monotonic() + _TAKING_OVER
        while not _is_by(self._main, by):
            is_spare = self._spare is not None and _is_by(self._spare, by)
            if is_spare or time.monotonic() > until:
                return False
            # Polls until the deadline: no event tells that another process has written the file.
            time.sleep(_TRY_SOON)
        return True

    def _hear(self, report: Report) -> None:  # noqa: ARG002 - each report may be of something new
        with self._news:
            self._ask()

    def _ask(self) -> None:
        self._asked += 1
        self._news.notify_all()

    def _run(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._over or self._asked > 1, self._after)
        while not self._over or self._is_behind():
            with contextlib.suppress(TransfuseError):  # uninstalled at this moment
                self._turn()
            with self._news:
                pause = _AGAIN if self._fails else None if self._at.has_lock else self._pause()
                self._news.wait_for(self._is_due, pause)

    def _pause(self) -> float:
        """Return the pause before the next attempt to take the lock."""
        is_soon = time.monotonic() < self._soon_until and not _is_by(self._at, self._place.by)
        return _TRY_SOON if is_soon else _TRY

    def _is_behind(self) -> bool:
        return self._at.has_lock and self._asked > self._tried

    def _is_due(self) -> bool:
        is_mine = self._at.has_lock or self._fails
        return self._over or (is_mine and self._asked > self._tried)

    def _turn(self) -> None:
        with self._news:
            upto = self._tried = self._asked
        try:
            if not self._write():
                return
        except (OSError, AttributeError):
            with self._news:
                self._fails = True
                self._news.notify_all()
        else:
            with self._news:
                self._fails, self._written = False, upto
                self._news.notify_all()
        first, self._first_tried = self._first_tried, _nothing
        first()

    def _write(self) -> bool:
        """Write what is served; return False if that is the task of another process."""
        sign = self._sign()
        try:
            is_written = self._main.write(sign)
        except (OSError, AttributeError) as error:
            if not self._fails and self._at is self._main and self._place.tells("failure"):
                _log.warning(
                    "what is served cannot be kept in %s, and would not outlive this server: %s",
                    self._main.path,
                    error,
                )
            self._main.release()
            if self._spare is None:
                raise
            self._at = self._spare
            return self._spare.write(sign)
        if self._spare is not None and self._at is self._spare:
            self._at = self._main
            self._spare.drop()
        return is_written

    def _release(self) -> None:
        for folder in (self._main, self._spare):
            if folder is not None:
                folder.release()

    def _sign(self) -> str:
        """Return a text for the served state and the processes that serve it together.

        It is the same in all of these, whose numbers of generations may differ.
        """
        aside = sorted(os.fspath(path) for path in _core.set_aside())
        # The view has no digests of files other than source.
        others = {os.fspath(path): found for path, found in _core.other_files(aside).items()}
        state = f"{_core.view()[1]} {[(path, others.get(path)) for path in aside]!r}"
        return f"{state}\n{self._place.by}"


def _is_by(folder: KeptFolder, by: str) -> bool:
    return folder.signed().rpartition("\n")[2] == by


# The keeper of this process, or None. Written on install, uninstall and fork.
_keeper: Keeper | None = None


def begin(
    settings: Settings,
    place: Place,
    after: float = 0.0,
    tried: Callable[[], object] = _nothing,
) -> None:
    """Keep what this process serves from now on.

    Args:
        settings: the installed ones.
        place: where, and whether this process tells a failure.
        after: seconds until the first write, unless there is an update before.
        tried: called after the first write of this process, also if nothing can be kept.
    """
    global _keeper  # noqa: PLW0603 - there is one import system in a process
    end()
    if not file_lock.AVAILABLE:
        tried()
        return
    _register_once()
    try:
        _keeper = Keeper(settings, place, after, tried)
    except OSError as error:
        tried()
        if place.tells("failure"):
            _log.warning(
                "what is served cannot be kept, and would not outlive this server: %s", error
            )


def end() -> None:
    """Keep no more."""
    global _keeper
    mine, _keeper = _keeper, None
    if mine is not None:
        mine.end()


def here() -> Keeper | None:
    """Return the keeper of this process."""
    return _keeper


def wait_until_kept() -> bool:
    """Wait until the current state would outlive this process, for a while.

    Returns:
        False if it would not, although it should.
    """
    mine = _keeper
    return mine is None or mine.wait()


@functools.cache
def _register_once() -> None:
    # Python ends threads that are inside of the core in a way that ends the process.
    atexit.register(end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """A child writes nothing: it may be no server, and outlive the one that it is a child of."""
    global _keeper
    mine, _keeper = _keeper, None
    if mine is not None:
        mine.drop()
