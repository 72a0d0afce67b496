"""The trial of this process: its state, and each step from one state to the next.

`trial` begins and ends trials with updates, `trial_watch` ends them when time is up.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from transfuse import _core
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import threading, time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transfuse.updates.error_rates import Counts
    from transfuse.updates.reports import Trial

_log = get_logger("transfuse")

CONFIRMED = "confirmed"
# The most notes of the history, and the most former trials, that are remembered.
_REMEMBERED = 100

# The request for a trial; a sample: {"key": "9f3c0a1b", "seconds": 120.0}.
Wanted = dict[str, Any]


class Running(NamedTuple):
    """A trial in this process.

    Attributes:
        key: the same in all workers, and only there: ``"9f3c0a1b"``.
        shown: the trial, as a status has it.
        deadline: when it is over, by `time.monotonic`.
        base: the kept generation to go back to; None if this process does not have it.
        now: the generation that is served.
        round: which generation on trial that is, from 1.
        why: the reason to go back before the deadline; empty while there is none.
    """

    key: str
    shown: Trial
    deadline: float
    base: int | None
    now: int
    round: int = 1
    why: str = ""


class Others(Protocol):
    """The other workers of this process's server."""

    def say_counts(self, key: str, generation: int, old: Counts, new: Counts) -> None:
        """Pass on how many requests were counted here."""

    def say_confirmed(self, key: str) -> None:
        """Tell that a trial was confirmed here."""


class TrialState:
    """The trials of this process. `lock` is held to write."""

    def __init__(self) -> None:
        self.after_fork()
        # None in a process that switches alone.
        self.others: Others | None = None
        self.forget()

    def after_fork(self) -> None:
        """Take a lock that no thread of the parent holds."""
        self.lock = threading.RLock()
        # Set when there is something to do before the next turn of the thread that watches.
        self.news = threading.Event()

    def forget(self) -> None:
        """There is no trial, and there was none."""
        # The trial; None while there is none.
        self.running: Running | None = None
        # The last one, and how it ended; None once something was published without one.
        self.over: tuple[Running, str] | None = None
        # The key of each that is over, and how it ended. The oldest leaves.
        self.ended: dict[str, str] = {}
        # The trial that `update` was asked for, while the update lasts.
        self.wanted: Wanted | None = None
        # The trial that all workers have agreed to begin with the update under way.
        self.agreed: Wanted | None = None
        # The generation that is served while an update is staged, and whether that is a rollback.
        self.before = 0
        self.goes_back = False
        # The key of the trial that the rollback under way ends, and why; None if it was asked for.
        # It stays until the rollback is over, however the trial ends meanwhile.
        self.going_back: tuple[str, str] | None = None
        # Generation -> its note in the history, such as {5: "confirmed at 14:04:10"}. The oldest
        # leaves.
        self.notes: dict[int, str] = {}
        # Each is called once the trial is confirmed, and then forgotten.
        self.afterwards: list[Callable[[], object]] = []
        self.news.set()

    def note(self, generation: int, text: str) -> None:
        """Set the note of the history about a generation."""
        self.notes[generation] = text
        _limit(self.notes)

    def begin(self, trial: Running) -> None:
        """A trial begins."""
        self.running, self.over = trial, None
        self.note(trial.now, on_trial(trial.shown))
        self.news = threading.Event()

    def end(self, how: str, note: str) -> None:
        """The trial is over.

        Args:
            how: `CONFIRMED`, or why it ended otherwise.
            note: the note of the history about its generations.
        """
        now, self.running = self.running, None
        assert now is not None
        self.over = (now, how)
        self.ended[now.key] = how
        _limit(self.ended)
        for generation in [each for each in self.notes if now.shown.generation <= each <= now.now]:
            self.note(generation, note)
        _core.protect(None)
        self.news.set()
        calls, self.afterwards = self.afterwards, []
        if how == CONFIRMED:
            _log.info("confirmed: generation %d stays", now.now)
            for call in calls:
                native.thread(target=call, name="transfuse-confirmed", daemon=True).start()

    def confirmed(self) -> None:
        """End the trial and keep its update."""
        self.end(CONFIRMED, f"confirmed at {_clock(time.time())}")

    def abandon(self, why: str) -> None:
        """End the trial, and keep the served generation; without a trial: do nothing."""
        with self.lock:
            if self.running is not None:
                _log.warning("the trial has ended, %s; what is served stays", why)
                self.end(why, f"trial ended, {why}")

    def alarm(self, key: str, why: str, generation: int | None = None) -> None:
        """End a trial at once, by a rollback.

        Args:
            key: of the trial.
            why: the reason.
            generation: of which generation on trial the reason is, from 1; None: whichever.
        """
        with self.lock:
            now = self.running
            if now is None or now.key != key or now.why:
                return
            if generation in (None, now.round):
                self.running = now._replace(why=why)
                self.news.set()

    @contextlib.contextmanager
    def ending(self, ends: tuple[str, str]) -> Iterator[None]:
        """Note which trial a rollback ends, and why, for as long as it takes."""
        with self.lock:
            self.going_back = ends
        try:
            yield
        finally:
            with self.lock:
                # The same rollback may be asked for here, and by another worker.
                if self.going_back is ends:
                    self.going_back = None


def _limit(remembered: dict[Any, str]) -> None:
    while len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]


def on_trial(shown: Trial) -> str:
    """Return the note that a generation is on trial, with its end."""
    return f"on trial until {_clock(shown.until)}, then back to {shown.back_to}"


# The trials of this process.
HERE = TrialState()


def _clock(at: float) -> str:
    from transfuse.updates.messages import clock  # noqa: PLC0415 - few processes have a trial

    return clock(at, seconds=True)
