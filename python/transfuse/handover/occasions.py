"""Which updates ask for a handover, and what would fresh processes start without?

A handover serves what cannot be made in place: what an update reports as waiting for a restart, and
code that this process refuses because of what it holds. A library that has kept an object of the
former code, such as a metric in a registry, refuses the new one; a fresh process has kept nothing.
That cannot be told from a mistake for sure, and need not be: if fresh processes refuse it as well,
nothing has changed.
"""

from __future__ import annotations

import logging
import sys
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.errors import (
    ContentGone,
    Outdated,
    PolicyError,
    SettingsError,
    StartupFailed,
    TargetError,
    TransfuseError,
    WorkerRefused,
)
from transfuse.process.install import installed_settings
from transfuse.source.tracebacks import OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transfuse.updates.reports import Report, Restart

_log = logging.getLogger("transfuse")

# Our errors that say what is wrong with the code or the settings.
_MISTAKES = (PolicyError, SettingsError, StartupFailed, TargetError)
# Our errors after which the same update is tried again, or another worker's is decisive.
_PASSING = (Outdated, WorkerRefused)
# Errors that no state of the process explains.
_PLAIN = (SyntaxError, ImportError, NameError)
# Another list of packages: they are not installed yet.
_FIRST_TO_INSTALL = "requirement"


class Occasions:
    """Hears the updates of this process, and asks for a handover where one is needed.

    Args:
        ask: asks for one, and returns at once.
        gone_back: called after a rollback.
    """

    def __init__(self, ask: Callable[[], None], gone_back: Callable[[], None]) -> None:
        self._ask = ask
        self._gone_back = gone_back
        # What waited for a restart when a handover was last asked for, or when the need was told.
        self._waiting: frozenset[tuple[str, str]] = frozenset()
        # Whether the code on disk is not served because a rollback has left it.
        self.rolled_back = False

    def hear(self, report: Report) -> None:
        """Note the result of an update."""
        if report.outcome == "rolled back":
            self.rolled_back = True
            self._gone_back()
        elif report.outcome == "published":
            self.rolled_back = False
        waiting = frozenset((each.name, each.what) for each in report.restart)
        news, self._waiting = waiting - self._waiting, waiting
        ready = [
            each
            for each in report.restart
            if each.code != _FIRST_TO_INSTALL and (each.name, each.what) in news
        ]
        if ready:
            self._want(f"{_names(ready)} cannot change in a running process")
        elif report.outcome == "refused" and is_held(report.error, _roots()):
            self._want("fresh processes may load what this one refuses because of what it holds")
        elif news:
            _log.warning("when the packages are installed: transfuse handover")

    def _want(self, why: str) -> None:
        how = mode()
        left = left_behind()
        without = f"; fresh processes start without {left}" if left else ""
        if how == "auto":
            _log.info("%s: handing over to fresh processes%s", why, without)
            self._ask()
        elif how == "ask":
            _log.warning(
                "%s: transfuse handover serves from fresh processes, and loses no request%s",
                why,
                without,
            )


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


def contents_to_keep(waiting: Sequence[Restart]) -> dict[Any, bytes | None]:
    """Return the served contents of files that differ on disk because a rollback has left them.

    Args:
        waiting: what waits for a restart: a handover is to serve that as it is on disk.
    """
    files = {getattr(sys.modules.get(each.name), "__file__", None) for each in waiting}
    differing = _core.differing(wanted=False)
    return {path: text for path, text in differing.items() if str(path) not in files}


def left_behind() -> str:
    """Tell what fresh processes would start without; empty if there is nothing."""
    made, preserved = _core.carried()
    words = [f"{module}.{name} (preserved)" for module, names in preserved for name in names]
    words += [f"{key!r} of {module} (once)" for module, key in made]
    return ", ".join(words)


def _names(waiting: Sequence[Restart]) -> str:
    return ", ".join(dict.fromkeys(each.name for each in waiting))


def _roots() -> tuple[str, ...]:
    settings = installed_settings()
    return () if settings is None else settings.roots
