"""The public functions that request an update, report on it, and subscribe to updates.

Every update passes `deliver` once, however it was requested: it is logged under `transfuse` and
passed to the callbacks. The values that are returned (`reports`, `history`) are imported where the
first one is made: no process needs them to start.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.errors import NotInstalledError, TransfuseError
from transfuse.updates import import_context, participants, trial, waiting
from transfuse.updates.memory_growth import MemoryGrowth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from transfuse.memory.leaks import Leaks
    from transfuse.updates.history import HistoryEntry
    from transfuse.updates.reports import Plan, Report, Status, Step, Trial

_log = get_logger("transfuse")

# Subscribers to updates, in the order of subscription. The tuple is replaced, never changed, so
# that it can be iterated without a lock. Entries leave by their unsubscriber.
_callbacks: tuple[Callable[[Report], object], ...] = ()
_memory_growth = MemoryGrowth()
# Subscribers to the steps of an update (the command line, at a terminal).
_step_listeners: tuple[Callable[[Step | None], object], ...] = ()


def update(timeout: float | None = None, *, confirm_within: float | None = None) -> Report:
    """Update now, whether or not the files are being watched.

    Args:
        timeout: seconds to wait for an update that is under way; None: as long as it takes.
        confirm_within: seconds in which `confirm` must be called; otherwise the process goes back
            to the current generation. It also does so if requests fail more often. None: no trial.

    Returns:
        The result. A refused update is a report too: see `Report.check`.

    Raises:
        NotInstalledError: Transfuse is not installed.
        TimeoutError: another update took longer than `timeout`.
        ValueError: `confirm_within` is no finite number above 0.
    """
    _require_installed()
    with participants.waiting(), trial.wanting(confirm_within):
        report = _report(lambda: _core.update(timeout))
    import_context.updated_here(report.generation)
    if confirm_within is not None and report.outcome == "unchanged" and report.trial is None:
        from transfuse.updates.reports import Note  # noqa: PLC0415

        return replace(report, notes=(*report.notes, Note("trial", "none has begun")))
    return report


def rollback(to: int | datetime | None = None, *, dry_run: bool = False) -> Report:
    """Serve the content of a former generation again, under a new number.

    Its modules were kept and are not loaded again, except for those that were disposed of since, or
    whose application was shut down: they run again from the source of that generation, before it is
    published. If that fails, the rollback is refused, and the report says so. The content on disk
    is set aside: it is served again when the file changes, or by `accept`.

    Args:
        to: the generation's number, or a time: the generation that was served then. None: the
            predecessor of the generation that is current when this is called.
        dry_run: whether only to report what would be done.

    Raises:
        NotInstalledError: Transfuse is not installed.
        GenerationError: that generation is not kept, or is the current one.
    """
    _require_installed()
    from transfuse.updates.history import generation_at  # noqa: PLC0415

    number = to if to is None or isinstance(to, int) else generation_at(to.timestamp())
    with participants.waiting():
        return _report(lambda: _core.rollback(number, dry_run=dry_run))


def accept(*paths: str | os.PathLike[str]) -> Report:
    """Update now, also to content that a rollback has set aside.

    Args:
        *paths: the files that are accepted; none: all that are set aside.

    Returns:
        The result, as that of `update`. If it was refused, the content stays set aside.

    Raises:
        NotInstalledError: Transfuse is not installed.
        TransfuseError: one of these files is not set aside.
    """
    _require_installed()
    known = [os.fspath(path) for path in _core.set_aside()]
    asked = [os.path.abspath(path) for path in paths]
    named = [path if path in known else os.path.realpath(path) for path in asked]
    if unknown := [path for path in named if path not in known]:
        there = f"; set aside is {', '.join(known)}" if known else "; nothing is"
        raise TransfuseError(f"{', '.join(unknown)} is not set aside{there}")
    with participants.waiting():
        return _report(lambda: _core.accept(named if paths else None))


def confirm() -> Trial | None:
    """Keep the update that is on trial, here and in the other workers.

    Returns:
        The trial that this ends, or that was confirmed before; None if nothing is on trial.

    Raises:
        NotInstalledError: Transfuse is not installed.
        TransfuseError: it is too late: a rollback is under way.
    """
    _require_installed()
    return trial.confirm()


def history() -> tuple[HistoryEntry, ...]:
    """Return the last 100 updates of this process, the oldest first; refused ones are included.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    from transfuse.updates.history import entries  # noqa: PLC0415

    return entries()


def plan() -> Plan:
    """Return the plan of an update, without making it.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    from transfuse.updates.reports import Plan  # noqa: PLC0415

    return Plan.from_core(_core.plan())


def status() -> Status:
    """Return the state of this process, at once, also while an update runs.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    from transfuse.updates.reports import Status  # noqa: PLC0415

    counts = tuple((number, begun, failed) for number, begun, _, failed in _core.request_counts())
    found = Status.from_core(_core.status())
    restart = (*found.restart, *waiting.packages())
    return replace(found, restart=restart, trial=trial.running(), requests=counts)


def leaks(seconds: float = 10.0) -> Leaks:
    """Find the references that keep former modules in memory. Other threads run meanwhile.

    Args:
        seconds: how long to search. After that the result is incomplete, and says so.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    _require_installed()
    # Here and not above: most processes are never asked.
    from transfuse.memory.leaks import find_leaks  # noqa: PLC0415

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
        if not _step_listeners:
            return
        from transfuse.updates.reports import Step  # noqa: PLC0415

        step = Step(
            told["name"],
            told["index"],
            told["count"],
            told["generation"],
            told["thread"],
            tuple(roots),
        )
        for listener in _step_listeners:
            listener(step)
        return
    if told["outcome"] == "left behind":
        from transfuse.updates.places import place_of  # noqa: PLC0415

        where = place_of(told["thread"], roots) or "a call that does not return"
        _log.warning(
            "the code of an update does not end at %s; its thread is left behind there, and the"
            " newer files are tried",
            where,
        )
        return
    for listener in _step_listeners:
        listener(None)
    report = _report(lambda: told)
    _write_log(report, roots)
    for callback in _callbacks:
        try:
            _core.limited(callback, report)
        except BaseException:  # the update stands, and the other callbacks are to run
            _log.exception("a callback of transfuse.on_update() failed; the update stands")
    if report.outcome == "published":
        _memory_growth.check(len(_core.former_modules()))


def _report(ask: Callable[[], Mapping[str, Any]]) -> Report:
    # Imported before the request: if the process ends while a daemon thread waits for the answer,
    # an import afterwards would abort the process.
    from transfuse.updates.reports import Report  # noqa: PLC0415

    report = Report.from_core(ask())
    why = trial.note_of(report.generation) if report.outcome == "rolled back" else ""
    return replace(report, trial=trial.running(), why=why)


def _write_log(report: Report, roots: Sequence[str]) -> None:
    level = {"refused": logging.ERROR, "unchanged": logging.DEBUG}.get(report.outcome, logging.INFO)
    if report.notes or report.fixed:
        level = max(level, logging.INFO)
    if report.restart:
        level = max(level, logging.WARNING)
    if not _log.isEnabledFor(level):
        return
    from transfuse.updates import messages  # noqa: PLC0415

    extra = {"transfuse_report": report}
    _log.log(level, "%s", messages.update_text(report, roots), extra=extra)
    if report.outcome in ("published", "refused") and _log.isEnabledFor(logging.DEBUG):
        for line in messages.plan_lines(report, roots):
            _log.debug("plan: %s", line, extra=extra)


def _require_installed() -> None:
    if not _core.installed():
        raise NotInstalledError
