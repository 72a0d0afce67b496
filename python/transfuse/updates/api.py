"""The public functions that request an update, report on it, and subscribe to updates.

Every update passes `deliver` once, however it was requested: it is logged under `transfuse` and
passed to the callbacks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.errors import NotInstalledError
from transfuse.memory.leaks import Leaks, find_leaks
from transfuse.updates import messages, participants
from transfuse.updates.memory_growth import MemoryGrowth
from transfuse.updates.reports import Plan, Report, Status, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_log = get_logger("transfuse")

# Subscribers to updates, in the order of subscription. The tuple is replaced, never changed, so
# that it can be iterated without a lock. Entries leave by their unsubscriber.
_callbacks: tuple[Callable[[Report], object], ...] = ()
_memory_growth = MemoryGrowth()
# Subscribers to the steps of an update (the command line, at a terminal).
_step_listeners: tuple[Callable[[Step | None], object], ...] = ()


def update(timeout: float | None = None) -> Report:
    """Update now, whether or not the files are being watched.

    Args:
        timeout: seconds to wait for an update that is under way; None: as long as it takes.

    Returns:
        The result. A refused update is a report too: see `Report.check`.

    Raises:
        NotInstalledError: Transfuse is not installed.
        TimeoutError: another update took longer than `timeout`.
    """
    _require_installed()
    with participants.waiting():
        return Report.from_core(_core.update(timeout))


def rollback(to: int | None = None) -> Report:
    """Serve a former generation again; it was kept, so nothing is loaded.

    Args:
        to: the generation's number; None: the one before the current.

    Raises:
        NotInstalledError: Transfuse is not installed.
        GenerationError: that generation is not kept.
    """
    _require_installed()
    with participants.waiting():
        return Report.from_core(_core.rollback(to))


def plan() -> Plan:
    """Return the plan of an update, without making it.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    return Plan.from_core(_core.plan())


def status() -> Status:
    """Return the state of this process, at once, also while an update runs.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    return Status.from_core(_core.status())


def leaks(seconds: float = 10.0) -> Leaks:
    """Find out what keeps former modules in memory. Other threads run meanwhile.

    Args:
        seconds: how long to search. What was found until then is returned, and that it is not all.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    return find_leaks(seconds)


def on_update(callback: Callable[[Report], object]) -> Callable[[], None]:
    """Have `callback` called with the report of each update and rollback from now on.

    The updating thread calls it once the new generation is served, and logs an exception that it
    raises. After `time_limit` seconds, TimeLimitExceeded is raised inside it.

    Returns:
        A function that unsubscribes; calling it again does nothing.
    """
    global _callbacks  # noqa: PLW0603 - callbacks belong to the process, as the core does

    # A wrapper of its own, so that subscribing one callback twice makes two subscriptions.
    def subscribed(report: Report) -> None:
        callback(report)

    def unsubscribe() -> None:
        global _callbacks  # noqa: PLW0603
        _callbacks = tuple(each for each in _callbacks if each is not subscribed)

    _callbacks = (*_callbacks, subscribed)
    return unsubscribe


def on_step(listener: Callable[[Step | None], object]) -> None:
    """Have `listener` called when a step of an update begins, and with None when the update ends.

    It is called in the thread that updates and must return at once.
    """
    global _step_listeners  # noqa: PLW0603
    _step_listeners = (*_step_listeners, listener)


def deliver(roots: Sequence[str], told: Mapping[str, Any]) -> None:
    """Log an update that the core reports, and pass it on to the callbacks.

    Args:
        roots: the live directories; paths are shown relative to them.
        told: the core's report, as `Report.from_core` takes it.
    """
    if told["outcome"] == "running":
        step = Step(told["name"], told["index"], told["count"], told["generation"])
        for listener in _step_listeners:
            listener(step)
        return
    for listener in _step_listeners:
        listener(None)
    report = Report.from_core(told)
    _write_log(report, roots)
    for callback in _callbacks:
        try:
            _core.limited(callback, report)
        except BaseException:  # the update stands, and the other callbacks are to run
            _log.exception("a callback of transfuse.on_update() failed; the update stands")
    if report.outcome == "published":
        _memory_growth.check(len(_core.former_modules()))


def _write_log(report: Report, roots: Sequence[str]) -> None:
    level = {"refused": logging.ERROR, "unchanged": logging.DEBUG}.get(report.outcome, logging.INFO)
    if report.notes:
        level = max(level, logging.INFO)
    if report.restart:
        level = max(level, logging.WARNING)
    if not _log.isEnabledFor(level):
        return
    extra = {"transfuse_report": report}
    _log.log(level, "%s", messages.update_text(report, roots), extra=extra)
    if report.outcome in ("published", "refused") and _log.isEnabledFor(logging.DEBUG):
        for line in messages.plan_lines(report, roots):
            _log.debug("plan: %s", line, extra=extra)


def _require_installed() -> None:
    if not _core.installed():
        raise NotInstalledError
