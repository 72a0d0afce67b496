"""The last updates, and the generations that a rollback can restore.

The core remembers the last 100 updates, refused ones included. `transfuse history` prints them, and
a rollback to a time of day is looked up in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.errors import GenerationError
from transfuse.updates import trial
from transfuse.updates.messages import clock
from transfuse.updates.reports import Change, Ran

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class HistoryEntry:
    """One update of this process, or its start.

    Attributes:
        generation: the generation that was served afterwards.
        time: when it ended, in seconds since 1970.
        by: what led to it: ``"start"``, ``"saved"``, ``"release"`` (a link or folder on the path to
            a root was switched), ``"update"``, ``"rollback"``, ``"accept"``, ``"worker"`` (another
            worker of the same server serves it) or ``"former process"`` (one before this one has
            served it).
        outcome: ``"started"``, ``"published"``, ``"refused"`` or ``"rolled back"``.
        changed: the files that differ from the generation before.
        ran: the modules that were run, in order, and why.
        error: the reason of a refusal; else None.
        back_to: the generation whose content a rollback serves; else None.
        seconds: how long it took.
        until: when another generation was served after it, where that is in no entry; else None.
        is_served: whether its generation is the current one.
        can_go_back: whether a rollback to its generation is possible.
        note: how its trial stands or has ended, or why it was gone back to; else empty.
    """

    generation: int
    time: float
    by: str
    outcome: str
    changed: tuple[Change, ...] = ()
    ran: tuple[Ran, ...] = ()
    error: str | None = None
    back_to: int | None = None
    seconds: float = 0.0
    until: float | None = None
    is_served: bool = False
    can_go_back: bool = False
    note: str = ""

    @classmethod
    def from_core(cls, told: Mapping[str, Any], kept: list[int], served: int) -> HistoryEntry:
        """Make an entry from the core's."""
        is_new = told["outcome"] != "refused"
        return cls(
            generation=told["generation"],
            time=told["time"],
            by=told["by"],
            outcome=told["outcome"],
            changed=tuple(Change(*each) for each in told["changed"]),
            ran=tuple(Ran(*each) for each in told["ran"]),
            error=told["error"],
            back_to=told["back_to"],
            seconds=told["seconds"],
            until=told["until"],
            is_served=is_new and told["generation"] == served,
            can_go_back=is_new and told["generation"] in kept,
            note=trial.note_of(told["generation"]) if is_new else "",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the same as values that JSON has."""
        values = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return {
            **values,
            "changed": [[each.path, each.kind] for each in self.changed],
            "ran": [[each.name, each.reason] for each in self.ran],
        }


def entries() -> tuple[HistoryEntry, ...]:
    """Return the last updates, the oldest first."""
    told, kept, served = _core.history()
    return tuple(HistoryEntry.from_core(each, kept, served) for each in told)


def generation_at(moment: float) -> int:
    """Return the number of the generation that was served at a moment, in seconds since 1970.

    Raises:
        GenerationError: this process has no record of that moment.
    """
    served = [each for each in entries() if each.outcome != "refused"]
    before = [each for each in served if each.time <= moment]
    if not before:
        # A time on the command line has no seconds, so the start of its minute is compared.
        begins = clock(served[0].time, seconds=True) if served else ""
        since = f"; its history begins at {begins}" if served else ""
        raise GenerationError(f"what was served at {clock(moment)} is not known{since}")
    if before[-1].until is not None and moment >= before[-1].until:
        raise GenerationError(f"what was served at {clock(moment)} is not kept")
    return before[-1].generation
