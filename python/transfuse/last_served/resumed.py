"""What does a new process take from the one before it, and how does it report that?"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.config.logs import get_logger
from transfuse.errors import TransfuseError
from transfuse.last_served import places
from transfuse.updates.messages import clock, short_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transfuse.config.settings import Settings
    from transfuse.workers import Served

_log = get_logger("transfuse")

# What `--from` can say.
TAKE_WORDS = ("disk", "last")
# The core's words for a worker in place of one that ended alone, and for one that serves what
# others serve: it only learns what can be gone back to.
IN_PLACE = "last, then update"
_OTHERS = "others"
# How many files a line names.
_SHOWN = 3


@dataclass(frozen=True)
class Place:
    """The place of the served state, and the choice of a process that starts there.

    Attributes:
        label: names the program and its address, such as
            ``"serve shop.web:app at http://127.0.0.1:8000"``.
        take: ``"default"``, ``"disk"``, ``"last"`` or `IN_PLACE`.
        tells: whether this process tells something, ``"start"`` or ``"failure"``: of several
            workers, one does.
        has_flag: whether what is run has the flag `--from`.
        by: names the processes that serve together, such as ``"transfuse-x1y2z3 4"``; other ones
            that take over from them have another name. Empty where none take over.
        spare: a folder that lasts as long as the server, for what is served if the user's cannot be
            written; empty: there is none.
    """

    label: str
    take: str = "default"
    tells: Callable[[str], bool] = field(default=lambda _: True, compare=False)
    has_flag: bool = True
    by: str = ""
    spare: str = ""

    @classmethod
    def wanted(cls, settings: Settings, label: str, take: str, **more: Any) -> Place | None:
        """Return the place of a program that has the flag; None if nothing is to be kept.

        Raises:
            TransfuseError: nothing is to be kept, and the last served state is asked for.
        """
        if settings.remember is not False:
            return cls(label, take, **more)
        if take == "last":
            raise TransfuseError("--from last: the setting remember is false, so nothing is kept")
        return None

    def for_core(
        self, settings: Settings, others: Served | None = None
    ) -> tuple[str, str, int | None] | None:
        """Return what the core is to look at; None if there is no such folder of this user.

        Args:
            settings: the installed ones.
            others: what others serve, and this process is to serve; None: there are none.
        """
        with contextlib.suppress(OSError, AttributeError):
            folder = Path(self.spare)
            if not self.spare or not places.is_kept(folder):
                folder = places.folder_of(settings, self.label)
            places.refuse_others(folder)
            if others is not None:
                return str(folder), _OTHERS, others.back_to
            return str(folder), self.take, None
        return None


class File(NamedTuple):
    """A file that differs from its last served content.

    Attributes:
        path: the file.
        difference: ``"rolled back"`` or ``"refused"``, if it has the content that was, or
            ``"changed"``.
        since: when that was, in seconds since 1970; None for ``"changed"``.
        is_last: whether it is served as it was.
        is_lost: whether it should be, and its content was not kept.
    """

    path: str
    difference: str
    since: float | None
    is_last: bool
    is_lost: bool


class Resumed(NamedTuple):
    """The last served state, and what this process serves of it.

    Attributes:
        generation: the number of the generation that was served.
        at: when that was published, in seconds since 1970.
        files: those that differed when this process started.
        take, has_flag: as `Place` has them.
    """

    generation: int
    at: float
    files: tuple[File, ...]
    take: str = "default"
    has_flag: bool = True

    @classmethod
    def from_core(cls, told: Mapping[str, Any], place: Place) -> Resumed:
        """Make it from the value that `_core.install` returns."""
        files = tuple(File(*each) for each in told["files"])
        return cls(told["generation"], told["at"], files, place.take, place.has_flag)

    @property
    def has_refused(self) -> bool:
        """Whether a file is served as it was without being set aside."""
        withheld = [each for each in self.files if each.is_last]
        return any(each.difference != "rolled back" for each in withheld) and self.take != "last"

    def lines(self, roots: Sequence[str] = ()) -> list[str]:
        """Say for each kind of file what is served, and how to choose the other."""
        last = [each for each in self.files if each.is_last]
        disk = [each for each in self.files if not each.is_last and not each.is_lost]
        lost = [each for each in self.files if each.is_lost]
        served = f"generation {self.generation} of {clock(self.at)}"
        lines = []
        if last:
            what = f"serving as in {served}: {_named(last, roots)}"
            lines.append(f"{what}; {self._other(last)}")
        if disk:
            what = f"other than in {served}, and taken from disk: {_named(disk, roots)}"
            lines.append(what + "; --from last serves what was served" * self.has_flag)
        if lost:
            lines.append(
                f"not served as in {served}, because that content was not kept:"
                f" {_named(lost, roots)}"
            )
        return lines

    def _other(self, last: Sequence[File]) -> str:
        if self.take == IN_PLACE:
            return "what was saved since follows as an update"
        if self.take == "last" or all(each.difference == "rolled back" for each in last):
            return "transfuse accept takes what is on disk"
        more = ", and --from disk takes it" * self.has_flag
        return f"transfuse update tries what is on disk{more}"

    @property
    def advice(self) -> str:
        """What may help if that cannot be loaded; empty if there is no other."""
        kept = [each for each in self.files if each.is_last]
        if not self.has_flag:
            return ""
        words = ["--from last serves what was served"] * (len(kept) < len(self.files))
        return " or ".join(words + ["--from disk takes all from disk"] * bool(kept))

    def to_json(self, roots: Sequence[str] = ()) -> dict[str, Any]:
        """Return the same as values that JSON has, and in words."""
        files = [each._asdict() for each in self.files]
        told = {"generation": self.generation, "at": self.at, "take": self.take}
        return {**told, "files": files, "lines": self.lines(roots)}

    def tell(self, roots: Sequence[str]) -> None:
        """Log it."""
        is_plain = not any(each.is_last or each.is_lost for each in self.files)
        for line in self.lines(roots):
            _log.log(logging.INFO if is_plain else logging.WARNING, "%s", line)


def _named(files: Sequence[File], roots: Sequence[str]) -> str:
    words = [_word(each, roots) for each in files[:_SHOWN]]
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(words) + more


def _word(each: File, roots: Sequence[str]) -> str:
    name = short_path(each.path, roots)
    return name if each.since is None else f"{name} ({each.difference} at {clock(each.since)})"


# The choice of this process at its start; None if there was no served state.
_here: Resumed | None = None


def note(told: Mapping[str, Any] | None, place: Place, settings: Settings) -> None:
    """Keep and log the choice of this process; without `told`: do nothing."""
    global _here  # noqa: PLW0603 - a process starts once
    _here = None if told is None else Resumed.from_core(told, place)
    if _here is not None and _here.files and place.tells("start"):
        _here.tell(settings.roots)


def forget() -> None:
    """Transfuse is being uninstalled."""
    global _here  # noqa: PLW0603
    _here = None


def here() -> Resumed | None:
    """Return the choice of this process at its start."""
    return _here
