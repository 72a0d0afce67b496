"""Updates, in words.

The text is readable without colour. `api` logs it, the command line prints it. Colour is added
where a stream shows it and NO_COLOR is not set.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TextIO

from transfuse.config.time_zone import local
from transfuse.source.tracebacks import headline, place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transfuse.updates.reports import Change, Plan, Ran, Report, Restart, Trial

_SHOWN = 3

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def update_text(report: Report, roots: Sequence[str] = ()) -> str:
    """Return the result of an update: one line, and for a refused one also the traceback.

    Args:
        report: the report.
        roots: files below these are shown relative to them.
    """
    if report.outcome == "refused":
        return _refused(report, roots)
    parts = [f"serving generation {report.generation}", *_set_aside(report, roots)]
    if report.trial is not None:
        parts.append(trial_text(report.trial))
    if report.outcome == "rolled back":
        done = f"rolled back in {duration(report.seconds)}"
        where = f": {back_text(report, roots)}" if report.back_to else ""
        why = f": {report.why}" if report.why else ""
        return "; ".join([done + why + where, *parts])
    if report.outcome == "planned" and report.back_to:
        again = [f"would run {', '.join(each.name for each in report.ran)}"] if report.ran else []
        fresh = [f"by fresh processes: {restart_text(report.restart)}"] if report.restart else []
        would = f"would go {back_text(report, roots)}"
        return "; ".join([would, *again, *fresh, "nothing has changed", *parts])
    if report.fixed:
        return "; ".join([f"fixed: {parts[0]}, as saved", *parts[1:]])
    if report.restart:
        parts.insert(0, restart_text(report.restart))
    if report.outcome == "unchanged":
        said = [f"{each.name}: {each.what}" for each in report.notes] or ["nothing to update"]
        changed = changes_text(report.changed, roots) + "; " if report.changed else ""
        return f"{', '.join(said)}: {changed}{'; '.join(parts)}"
    told = (
        f"updated in {duration(report.seconds)}: {changes_text(report.changed, roots)};"
        f" {ran_text(report.ran)}; {'; '.join(parts)}"
    )
    return "\n".join([told, *(f"{each.name}: {each.what}" for each in report.notes)])


def plan_lines(plan: Plan | Report, roots: Sequence[str] = ()) -> list[str]:
    """Return a plan, or the modules of a report, with one line for each file and module."""
    lines = [f"{each.kind:<9}{short_path(each.path, roots)}" for each in plan.changed]
    lines += [f"{'run':<9}{each.name}  ({each.reason})" for each in plan.ran]
    lines += [f"{'restart':<9}{each.name}  ({each.code}: {each.what})" for each in plan.restart]
    lines += [f"{'note':<9}{each.name}  ({each.what})" for each in plan.notes]
    return lines


def changes_text(changed: Sequence[Change], roots: Sequence[str] = ()) -> str:
    """Tell which files changed: ``"shop/prices.py changed, shop/new.py created"``."""
    if not changed:
        return "no file changed"
    words = [f"{short_path(each.path, roots)} {each.kind}" for each in changed[:_SHOWN]]
    return ", ".join(words) + _more(len(changed))


def ran_text(ran: Sequence[Ran]) -> str:
    """Tell which modules were run: ``"ran shop.prices, shop.web (imports shop.prices)"``."""
    if not ran:
        return "no loaded module is concerned"
    words = [
        each.name if each.reason in ("", "changed") else f"{each.name} ({each.reason})"
        for each in ran[:_SHOWN]
    ]
    return "ran " + ", ".join(words) + _more(len(ran))


def restart_text(restart: Sequence[Restart]) -> str:
    """Return the changes that need a restart, and why."""
    words = [f"{each.name} ({each.what})" for each in restart[:_SHOWN]]
    return "needs a restart: " + ", ".join(words) + _more(len(restart))


def duration(seconds: float) -> str:
    """Tell a time: ``"0.4 ms"``, ``"6 ms"``, ``"1.7 s"``."""
    if seconds < 0.001:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


def span(seconds: float) -> str:
    """Tell a time as a person would give it: ``"90 s"``, ``"2 min"``, ``"1 h"``."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def trial_text(trial: Trial) -> str:
    """Return a line with the end of a trial, and its consequence."""
    return (
        f"on trial until {clock(trial.until, seconds=True)}, then back to generation"
        f" {trial.back_to} unless 'transfuse confirm' comes"
    )


def short_path(path: str, roots: Sequence[str] = ()) -> str:
    """Return `path` relative to the innermost of `roots` it is below, or else as it is."""
    for root in sorted(roots, key=len, reverse=True):
        start = root.rstrip(os.sep) + os.sep
        if path.startswith(start):
            return path[len(start) :]
    return path


def colourful(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Whether `stream` shows colours and no setting forbids them (https://no-color.org)."""
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, colour: str) -> str:
    """Colour the first line of `text` for a terminal: red, green, yellow, bold or dim."""
    line, newline, rest = text.partition("\n")
    return f"\x1b[{_COLOURS[colour]}m{line}\x1b[0m{newline}{rest}"


def back_text(report: Report, roots: Sequence[str] = ()) -> str:
    """Return where a rollback goes.

    Args:
        report: of a rollback, made or planned.
        roots: files below these are shown relative to them.
    """
    number, moment = report.back_to or (0, None)
    when = "" if moment is None else f" of {clock(moment)}"
    words = [
        f"without {short_path(each.path, roots)}"
        if each.kind == "deleted"
        else f"{short_path(each.path, roots)} as it was then"
        for each in report.changed[:_SHOWN]
    ]
    files = ", ".join(words) + _more(len(report.changed)) if words else "no file differs"
    return f"back to generation {number}{when}: {files}"


def _set_aside(report: Report, roots: Sequence[str]) -> list[str]:
    """Tell what is not served although it is on disk, if something is."""
    paths = [short_path(path, roots) for path in report.set_aside[:_SHOWN]]
    more = _more(len(report.set_aside))
    return [f"set aside: {', '.join(paths)}{more}"] if paths else []


def clock(moment: float, *, seconds: bool = False) -> str:
    """Tell a time: ``"14:03"``, or ``"2026-11-28 14:03"`` if that is not today."""
    then, now = local(moment), local(time.time())
    at = "%H:%M:%S" if seconds else "%H:%M"
    return then.strftime(at if then.date() == now.date() else f"%Y-%m-%d {at}")


def _refused(report: Report, roots: Sequence[str]) -> str:
    parts = [f"still serving generation {report.generation}"]
    if report.back_to is None:
        parts.append("save a repair and it is tried again")
    still = "; ".join([*parts, *_set_aside(report, roots)])
    if report.error is None:
        return f"refused; {still}"
    where = place(report.error, roots)
    at = f"{short_path(where[0], roots)}, line {where[1]}: " if where else ""
    # Without frames it says the same as the headline.
    lines = report.traceback.rstrip("\n")
    trace = lines if "\n" in lines else ""
    return "\n".join([f"refused: {at}{headline(report.error)}", *([trace] if trace else []), still])


def _more(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""
