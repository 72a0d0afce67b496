"""The results of updates, and the state of the process, as plain frozen values.

They are made from the dicts of the core. `messages` puts them into words, `api` delivers them.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from transfuse.errors import TransfuseError
from transfuse.memory.units import units
from transfuse.source.tracebacks import headline, place, user_traceback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transfuse.memory.units import Unit

Outcome = Literal["published", "refused", "unchanged", "rolled back", "planned"]


@dataclass(frozen=True)
class Change:
    """A file that differs from the generation before.

    Attributes:
        path: the absolute file.
        kind: ``"created"``, ``"changed"`` or ``"deleted"``.
    """

    path: str
    kind: str


@dataclass(frozen=True)
class Step:
    """A module that an update is about to run.

    Attributes:
        name: the module.
        index: which step it is, from 1.
        count: how many there are.
        serving: the generation that is served meanwhile.
        thread: the thread that runs it, by its `threading.get_ident`.
        roots: the live directories.
    """

    name: str
    index: int
    count: int
    serving: int
    thread: int = 0
    roots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ran:
    """A module that an update runs.

    Attributes:
        name: the dotted name.
        reason: why, in words, such as ``"imports shop.prices"``.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Restart:
    """A change that cannot be applied live.

    Attributes:
        name: the module or file.
        code: the kind, such as ``"never-policy"``.
        what: the reason and the remedy, in words.
    """

    name: str
    code: str
    what: str


@dataclass(frozen=True)
class Note:
    """Something to know: a change not made in place, state that is lost, or a new setting.

    Attributes:
        name: the module, or ``"settings"``.
        what: the consequence or the new value, in words.
    """

    name: str
    what: str


@dataclass(frozen=True)
class Trial:
    """An update that is served until it is confirmed or rolled back.

    Attributes:
        generation: the first generation that is on trial.
        back_to: the generation from before, to which it goes back.
        until: when that happens unless it is confirmed, in seconds since 1970.
        seconds: how long the trial was to last.
    """

    generation: int
    back_to: int
    until: float
    seconds: float


@dataclass(frozen=True)
class Report:
    """The result of an update or a rollback.

    Attributes:
        outcome: ``"published"``, ``"refused"``, ``"unchanged"`` or ``"rolled back"``; ``"planned"``
            for a rollback that was only to be told.
        generation: the generation that is served afterwards.
        changed: the files that differ.
        ran: the modules that were run, in order, and why.
        restart: the changes that need a restart.
        notes: changes that could not be made in place, state that was lost, and settings that were
            applied.
        seconds: how long it took.
        error: the exception, if the update was refused.
        traceback: the traceback of `error` with the user's frames only; else empty.
        by: its cause, as in `HistoryEntry`.
        back_to: of a rollback, the generation whose content is served again, and when it was first
            served in seconds since 1970, if that is known; else None.
        set_aside: the files whose content on disk is not served, because a rollback has left it.
        fixed: whether files that were refused have the content again that is served.
        trial: the trial that is running afterwards; else None.
        why: the reason of a rollback that ended a trial; else empty.
    """

    outcome: Outcome
    generation: int
    changed: tuple[Change, ...] = ()
    ran: tuple[Ran, ...] = ()
    restart: tuple[Restart, ...] = ()
    notes: tuple[Note, ...] = ()
    seconds: float = 0.0
    error: BaseException | None = None
    traceback: str = ""
    by: str = ""
    back_to: tuple[int, float | None] | None = None
    set_aside: tuple[str, ...] = ()
    fixed: bool = False
    trial: Trial | None = None
    why: str = ""

    @classmethod
    def from_core(cls, told: Mapping[str, Any]) -> Report:
        """Make a report from the core's."""
        error: BaseException | None = told["error"]
        return cls(
            outcome=cast("Outcome", told["outcome"]),
            generation=told["generation"],
            changed=tuple(Change(*each) for each in told["changed"]),
            ran=tuple(Ran(*each) for each in told["ran"]),
            restart=tuple(Restart(*each) for each in told["restart"]),
            notes=tuple(Note(*each) for each in told["notes"]),
            seconds=told["seconds"],
            error=error,
            # Now, while the source that the frames name can still be had.
            traceback="" if error is None else user_traceback(error),
            by=told.get("by", ""),
            back_to=told.get("back_to"),
            set_aside=tuple(os.fspath(path) for path in told.get("set_aside", ())),
            fixed=told.get("fixed", False),
        )

    @property
    def ok(self) -> bool:
        """Whether nothing was refused."""
        return self.outcome != "refused"

    def check(self) -> Report:
        """Return this report, or raise UpdateRefused, caused by its error, if it was refused."""
        if self.ok:
            return self
        what = "" if self.error is None else f": {headline(self.error)}"
        still = f"still serving generation {self.generation}"
        raise UpdateRefused(f"the update was refused{what}; {still}", self) from self.error

    def to_json(self, roots: Sequence[str] = ()) -> dict[str, Any]:
        """Return the same as values that JSON has; the error is its headline.

        Args:
            roots: where the error arose is looked for below these first.
        """
        return {
            "outcome": self.outcome,
            "generation": self.generation,
            **_lists(self.changed, self.ran, self.restart),
            "notes": [[each.name, each.what] for each in self.notes],
            "seconds": self.seconds,
            "error": None if self.error is None else headline(self.error),
            "place": None if self.error is None else place(self.error, roots),
            "traceback": self.traceback,
            "by": self.by,
            "back_to": self.back_to,
            "set_aside": list(self.set_aside),
            "fixed": self.fixed,
            "trial": None if self.trial is None else asdict(self.trial),
            "why": self.why,
        }


class UpdateRefused(TransfuseError):
    """A refused update, for code that prefers an exception: see `Report.check`.

    Attributes:
        report: the report of the update; its error is this exception's `__cause__`.
    """

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Plan:
    """The update that would be made now.

    Attributes:
        generation: the generation that is served.
        changed, ran, restart: as in `Report`, had the update been made.
        notes: state that would be lost.
    """

    generation: int
    changed: tuple[Change, ...] = ()
    ran: tuple[Ran, ...] = ()
    restart: tuple[Restart, ...] = ()
    notes: tuple[Note, ...] = ()

    @classmethod
    def from_core(cls, told: Mapping[str, Any]) -> Plan:
        """Make a plan from the core's."""
        return cls(
            generation=told["generation"],
            changed=tuple(Change(*each) for each in told["changed"]),
            ran=tuple(Ran(*each) for each in told["ran"]),
            restart=tuple(Restart(*each) for each in told["restart"]),
            notes=tuple(Note(*each) for each in told.get("notes", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the same as values that JSON has."""
        return {
            "generation": self.generation,
            **_lists(self.changed, self.ran, self.restart),
            "notes": [[each.name, each.what] for each in self.notes],
        }


@dataclass(frozen=True)
class Status:
    """The state of this process.

    Attributes:
        generation: the current generation.
        roots: absolute directories whose source is live.
        modules: how many live modules the current generation has loaded.
        kept: former generations that are ready for a rollback.
        draining: generations that are no longer current, and how many pins each still has.
        watching: ``"native"``, ``"polling"`` or ``"off"``; ``"ended"`` if the thread that updates
            is no more, so that nothing is updated until the process is restarted.
        watching_because: why files are polled although no setting says so; else empty.
        unreadable: paths under the roots that cannot be read, and why. No module comes from
            there.
        lost_events: how often the system had more events of files than it keeps (on Linux
            ``fs.inotify.max_queued_events``), so that the whole tree was compared.
        stored_bytes: the size of the kept source.
        failing: the report of the latest update if it was refused, else None.
        restart: the changes that wait for a restart.
        units: the units of work that keep former generations in use, the oldest first.
        lingering: how many modules are in memory that no generation has any more. Python's
            collector removes those that nothing keeps; `leaks` finds the holders of the others.
        updates: how many updates were published.
        refused: how many were refused.
        set_aside: the files whose content on disk is not served, because a rollback has left it. It
            is served again when the file changes, or by `accept`.
        trial: the running trial; else None.
        requests: of each generation that code can run in: its number, how many requests of a
            server began in it, and how many of these have failed.
    """

    generation: int
    roots: tuple[str, ...]
    modules: int
    kept: tuple[int, ...]
    draining: tuple[tuple[int, int], ...]
    watching: str
    stored_bytes: int
    failing: Report | None
    updates: int
    refused: int
    restart: tuple[Restart, ...] = ()
    units: tuple[Unit, ...] = ()
    lingering: int = 0
    lost_events: int = 0
    watching_because: str = ""
    unreadable: tuple[tuple[str, str], ...] = ()
    set_aside: tuple[str, ...] = ()
    trial: Trial | None = None
    requests: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def from_core(cls, told: Mapping[str, Any]) -> Status:
        """Make a status from the core's."""
        failing = told["failing"]
        return cls(
            generation=told["generation"],
            roots=tuple(os.fspath(root) for root in told["roots"]),
            modules=told["modules"],
            kept=tuple(told["kept"]),
            draining=tuple((generation, pins) for generation, pins in told["draining"]),
            watching=told["watching"],
            stored_bytes=told["stored_bytes"],
            failing=None if failing is None else Report.from_core(failing),
            updates=told["updates"],
            refused=told["refused"],
            restart=tuple(Restart(*each) for each in told["restart"]),
            units=units(told["units"]),
            lingering=told["lingering"],
            lost_events=told["lost_events"],
            watching_because=told["watching_because"],
            unreadable=tuple((os.fspath(path), why) for path, why in told["unreadable"]),
            set_aside=tuple(os.fspath(path) for path in told["set_aside"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the same as values that JSON has."""
        values = {key: getattr(self, key) for key in self.__dataclass_fields__}
        failing = self.failing
        return {
            **values,
            "failing": None if failing is None else failing.to_json(self.roots),
            "restart": [[each.name, each.code, each.what] for each in self.restart],
            "units": [asdict(each) for each in self.units],
            "trial": None if self.trial is None else asdict(self.trial),
        }


def _lists(
    changed: tuple[Change, ...], ran: tuple[Ran, ...], restart: tuple[Restart, ...]
) -> dict[str, Any]:
    return {
        "changed": [[each.path, each.kind] for each in changed],
        "ran": [[each.name, each.reason] for each in ran],
        "restart": [[each.name, each.code, each.what] for each in restart],
    }
