"""Which updates ask for a handover, and what would fresh processes start without?

A handover serves what cannot be made in place: what an update reports as waiting for a restart, and
code that this process refuses because of what it holds. A library that has kept an object of the
former code, such as a metric in a registry, refuses the new one; a fresh process has kept nothing.
That cannot be told from a mistake for sure, and need not be: if fresh processes refuse it as well,
nothing has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.control import unix_socket
from transfuse.errors import (
    ContentGone,
    NeedsFreshProcesses,
    Outdated,
    PolicyError,
    SettingsError,
    StartupFailed,
    TargetError,
    TransfuseError,
    WorkerRefused,
)
from transfuse.handover import elsewhere, packages
from transfuse.process.install import installed_settings
from transfuse.source.tracebacks import OWN
from transfuse.updates import api, trial, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from transfuse.handover.packages import Installed
    from transfuse.updates.reports import Report, Restart

_log = get_logger("transfuse")

# Our errors that say what is wrong with the code or the settings.
_MISTAKES = (PolicyError, SettingsError, StartupFailed, TargetError)
# Our errors after which the same update is tried again, by fresh processes if need be, or another
# worker's is decisive.
_PASSING = (NeedsFreshProcesses, Outdated, WorkerRefused)
# Errors that no state of the process explains.
_PLAIN = (SyntaxError, ImportError, NameError)
# Another list of packages: they are not installed yet.
_FIRST_TO_INSTALL = "requirement"
_HELD = "fresh processes may load what this one refuses because of what it holds"
_BY_ITSELF = "fresh processes take over"
_LOADED = "{}, and this process has imported another: restart the server"


class Occasions:
    """Observes the updates of this process, and asks for a handover if one is needed.

    Args:
        ask: asks for a handover, and returns at once; None: the server cannot be asked, and a
            person is told what to type.
        gone_back: called after a rollback, when what one has left is accepted, and when nothing
            waits any more; with whether something still waits for fresh processes.
        on_trial: called when a trial has begun, with why fresh processes that are starting are to
            be given up.
    """

    def __init__(
        self,
        ask: Callable[[], None] | None = None,
        gone_back: Callable[[bool], None] = lambda _: None,
        on_trial: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ask = ask
        self._gone_back = gone_back
        self._on_trial = on_trial
        # What the last handover was asked for by itself.
        self._asked_for = ""
        # What waited for a restart after the last update, with the digests of the files.
        self._waiting: frozenset[tuple[str, str, bytes]] = frozenset()
        # What rollbacks have left, after the last update.
        self._aside = frozenset(_core.set_aside())

    @property
    def can_ask(self) -> bool:
        """Whether the server that this process belongs to can hand over."""
        return self._ask is not None

    def know(self, restart: Iterable[Restart]) -> None:
        """Take these changes for known: the other workers have asked for fresh processes."""
        self._waiting |= frozenset(map(_as_it_is, restart))

    def hear(self, report: Report) -> None:
        """Note the result of an update."""
        if report.trial is not None:
            now = f"generation {report.trial.generation} is on trial"
            self._on_trial(f"{now}, which fresh processes would end")
        aside, self._aside = self._aside, frozenset(_core.set_aside())
        # A report lists what waited before, too.
        before, self._waiting = self._waiting, frozenset(map(_as_it_is, report.restart))
        taken_back = bool(before) and not self._waiting
        if report.outcome == "rolled back" or aside != self._aside or taken_back:
            self._gone_back(bool(self._ready(report)))
        news = [each for each in report.restart if _as_it_is(each) not in before]
        ready = [each for each in self._ready(report) if each in news]
        if ready:
            self._want(f"{_names(ready)} cannot change in a running process")
        elif report.outcome == "refused" and is_held(report.error, _roots()):
            self._want(_reason(report.error))
        elif news:
            told = _BY_ITSELF if self._goes_by_itself else self._what_to_type()
            _log.warning("when the packages are installed: %s", told)
        elif self._tries_again(report):
            self._want(f"{_names(self._ready(report))} cannot change in a running process")

    def put_off(self) -> None:
        """Have the handover that was asked for made when what is on trial is confirmed."""
        if trial.running() is None:
            self._want(self._asked_for)
        else:
            trial.after(lambda: self._want(self._asked_for))

    @staticmethod
    def _ready(report: Report) -> list[Restart]:
        return [each for each in report.restart if each.code != _FIRST_TO_INSTALL]

    def _tries_again(self, report: Report) -> bool:
        """Whether fresh processes may load by now what they did not load before."""
        is_news = report.outcome == "published" or report.fixed
        return is_news and bool(self._ready(report)) and self._goes_by_itself

    @property
    def _goes_by_itself(self) -> bool:
        return self.can_ask and mode() == "auto"

    def costs_more(self, why: str) -> bool:
        """Decide whether fresh processes serve a change that would take longer in place.

        Args:
            why: what would take how long.
        """
        left = left_behind()
        if self._goes_by_itself and not left:
            return True
        without = f"; fresh processes start without {left}" if left else ""
        _log.warning("%s: %s%s", why, self._what_to_type(), without)
        return False

    def installed(self, found: Sequence[Installed]) -> None:
        """Hear that packages were installed, or removed.

        Args:
            found: the differences since this process began.
        """
        if not _core.installed():
            return
        # Here and not above, as in `attend`: a process starts without.
        from transfuse.updates.reports import Restart  # noqa: PLC0415

        loaded = [each for each in found if each.is_loaded]
        waiting.packages_wait(
            Restart(each.name, "package", _LOADED.format(each.what)) for each in loaded
        )
        now = api.status()
        if now.failing is not None and isinstance(now.failing.error, ImportError):
            # It may have failed because they were missing.
            api.update()
        if loaded:
            self._want(f"{', '.join(each.what for each in loaded)}, and is in use here")
        elif found and any(each.code == _FIRST_TO_INSTALL for each in now.restart):
            self._want(f"{', '.join(each.what for each in found)}, as is asked for")

    def _want(self, why: str) -> None:
        left = left_behind()
        without = f"; fresh processes start without {left}" if left else ""
        if trial.running() is not None and self._ask is not None and mode() == "auto":
            # Fresh processes could not go back.
            _log.warning("%s: handed over when what is on trial is confirmed%s", why, without)
            trial.after(lambda: self._want(why))
        elif trial.wanted() is not None:
            _log.warning("%s, and cannot be on trial: %s%s", why, self._what_to_type(), without)
        elif self._ask is not None and mode() == "auto":
            _log.info("%s: handing over to fresh processes%s", why, without)
            self._asked_for = why
            self._ask()
        else:
            _log.warning("%s: %s%s", why, self._what_to_type(), without)

    def _what_to_type(self) -> str:
        if self._ask is None:
            return elsewhere.advice()
        if mode() == "never":
            return "restart the server: the setting handover is never"
        return "transfuse handover serves from fresh processes, and loses no request"


# Those of this process; None before it serves.
_here: Occasions | None = None


def attend(
    ask: Callable[[], None] | None = None,
    gone_back: Callable[[bool], None] = lambda _: None,
    on_trial: Callable[[str], None] = lambda _: None,
) -> Occasions:
    """See to handovers of this process from now on; asked again without `ask`, change nothing.

    Args:
        ask, gone_back, on_trial: as `Occasions` takes them.
    """
    global _here  # noqa: PLW0603 - a process is served by one server
    if _here is None or ask is not None:
        if _here is None:
            api.on_update(_hear)
            packages.watch(_installed)
        _here = Occasions(ask, gone_back, on_trial)
        if _core.status()["restart"] or waiting.packages():
            from transfuse.updates.reports import Report  # noqa: PLC0415

            now = api.status()
            # Changes since this process loaded its files, and changes that wait in other workers.
            _here.know(waiting.in_others())
            _here.hear(Report("unchanged", now.generation, restart=now.restart))
    return _here


def put_off() -> None:
    """Have the handover that was asked for made when what is on trial is confirmed."""
    if _here is not None:
        _here.put_off()


def answer() -> None:
    """Answer the questions of the command line about a handover."""
    unix_socket.answer_to("left behind", lambda _: {"left behind": left_behind()})
    if _here is None or not _here.can_ask:
        unix_socket.answer_to("handover", lambda _: _told_what_to_type())


def _told_what_to_type() -> dict[str, Any]:
    raise TransfuseError(elsewhere.advice())


def _hear(report: Report) -> None:
    if _here is not None:
        _here.hear(report)


def costs_more(why: str) -> bool:
    """Decide whether fresh processes serve a change that would take longer in place.

    Args:
        why: what would take how long.
    """
    return _here is not None and _here.costs_more(why)


def _installed(found: list[Installed]) -> None:
    if _here is not None:
        _here.installed(found)


def mode() -> str:
    """Return when to hand over: ``"auto"``, ``"ask"`` or ``"never"``."""
    settings = installed_settings()
    if settings is None:
        return "never"
    return settings.handover or ("auto" if settings.watch else "ask")


def is_held(error: BaseException | None, roots: Sequence[str]) -> bool:
    """Whether an update may have been refused because of what the process holds.

    Args:
        error: why it was refused.
        roots: where live code is.
    """
    if error is None or isinstance(error, (*_MISTAKES, *_PASSING, *_PLAIN)):
        return isinstance(error, ContentGone)
    if isinstance(error, TransfuseError):
        return True
    # The user's own code has raised it, or a library has.
    places = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    outside = [place for place in places if not place.startswith((OWN, "<frozen"))]
    starts = tuple(f"{root.rstrip('/')}/" for root in roots)
    return bool(outside) and not outside[-1].startswith(starts)


def _reason(error: BaseException | None) -> str:
    return str(error) if isinstance(error, TransfuseError) else _HELD


def left_behind() -> str:
    """Tell what fresh processes would start without; empty if there is nothing."""
    made, preserved = _core.carried()
    words = [f"{module}.{name} (preserved)" for module, names in preserved for name in names]
    words += [f"{key!r} of {module} (once)" for module, key in made]
    return ", ".join(words)


def _as_it_is(left: Restart) -> tuple[str, str, bytes]:
    """Return what tells a change from an earlier one of the same module."""
    digest = hashlib.sha256()
    for file in waiting.files_of([left.name]):
        with contextlib.suppress(OSError), open(file, "rb") as content:
            digest.update(content.read())
    return left.name, left.what, digest.digest()


def _names(left: Sequence[Restart]) -> str:
    return ", ".join(dict.fromkeys(each.name for each in left))


def _roots() -> tuple[str, ...]:
    settings = installed_settings()
    return () if settings is None else settings.roots
