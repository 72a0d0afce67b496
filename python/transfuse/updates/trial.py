"""What is on trial in this process, and how does that end?

A trial begins when an update is published that was asked for with `confirm_within`. It ends when it
is confirmed, by a rollback of whichever kind, or with the process. Until then the generation from
before stays kept, and a thread goes back to it when time is up, or when requests fail more often
(`error_rates`). Of several workers each has the trial, with the same key, and goes back at the same
time: that is one rollback of all (`workers`), which the coordinator also sums the counts for.
"""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from transfuse import _core
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import threading, time
from transfuse.errors import GenerationError, TransfuseError
from transfuse.updates import error_rates, participants
from transfuse.updates.error_rates import NO_REQUEST, Counts
from transfuse.updates.messages import clock, span
from transfuse.updates.reports import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = get_logger("transfuse")

# How often the counts of requests are looked at, in seconds.
_TURN = 0.1
# The pause after a rollback that was refused, in seconds. It doubles, up to the second value.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# How many seconds after its end a trial is given up in a worker that cannot go back by itself, and
# that no other has taken along.
_OVERDUE = 60.0
# How many generations the history has something to say about.
_NOTES = 100


@dataclass(frozen=True)
class _Running:
    """A trial in this process.

    Attributes:
        key: the same in all workers, and only there: ``"9f3c0a1b"``.
        shown: it, as a status has it.
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
        """Pass on what was counted here."""

    def say_confirmed(self, key: str) -> None:
        """Tell that a trial was confirmed here."""


# A sample of what begins a trial: {"key": "9f3c0a1b", "seconds": 120.0}.
Wanted = dict[str, Any]


@dataclass
class _State:
    """All of this process. Guarded by `_lock`.

    Attributes:
        running: the trial; None while there is none.
        over: the last one, and how it ended: ``"confirmed"`` or in other words.
        wanted: what `update` was asked for, while it lasts.
        agreed: what all workers have agreed to begin with the update under way.
        before: the generation that is served while an update is staged.
        goes_back: whether that update is a rollback.
        because: why the rollback under way is made.
        notes: what the history says about a generation: ``{5: "confirmed at 14:04"}``. The oldest
            leaves.
    """

    running: _Running | None = None
    over: tuple[_Running, str] | None = None
    wanted: Wanted | None = None
    agreed: Wanted | None = None
    before: int = 0
    goes_back: bool = False
    because: str = ""
    notes: dict[int, str] = field(default_factory=dict)

    def note(self, generation: int, text: str) -> None:
        """Have the history say something about a generation."""
        self.notes[generation] = text
        while len(self.notes) > _NOTES:
            del self.notes[next(iter(self.notes))]


_state = _State()
# Set when something is to be done before the next turn. Replaced under `_lock` for each trial.
_lock, _news = threading.RLock(), threading.Event()
_others: Others | None = None
# Called once the trial is confirmed, and then forgotten.
_afterwards: list[Callable[[], object]] = []


def running() -> Trial | None:
    """Return what is on trial; None if nothing is."""
    now = _state.running
    return None if now is None else now.shown


def note_of(generation: int) -> str:
    """Return what the history says about the trial of a generation; empty if nothing."""
    return _state.notes.get(generation, "")


@contextlib.contextmanager
def wanting(seconds: float | None) -> Iterator[None]:
    """Begin a trial with what is published meanwhile.

    Args:
        seconds: how long it lasts; None: no trial.

    Raises:
        ValueError: that is no time.
    """
    if seconds is None:
        yield
        return
    if not 0 < seconds < float("inf"):
        raise ValueError(f"confirm_within must be a number of seconds above 0, not {seconds}")
    wanted = {"key": os.urandom(4).hex(), "seconds": float(seconds)}
    with _lock:
        before, _state.wanted = _state.wanted, wanted
    try:
        yield
    finally:
        with _lock:
            _state.wanted = before


def confirm() -> Trial | None:
    """Keep what is on trial; return the trial, or None if there is none.

    Raises:
        TransfuseError: it is too late, a rollback is under way.
    """
    with _lock:
        now = _state.running
        if now is None:
            over = _state.over
            is_confirmed = over is not None and over[1] == "confirmed"
            return over[0].shown if over is not None and is_confirmed else None
        if _state.because:
            raise TransfuseError(f"too late: it is being rolled back ({_state.because})")
        _end("confirmed", f"confirmed at {clock(time.time(), seconds=True)}")
    if (others := _others) is not None:
        others.say_confirmed(now.key)
    return now.shown


def after(call: Callable[[], object]) -> None:
    """Call something once the trial that is running is confirmed."""
    with _lock:
        _afterwards.append(call)


def abandon(why: str) -> None:
    """End the trial, and go on with what is served; without one: do nothing."""
    with _lock:
        if _state.running is not None:
            _log.warning("the trial has ended, %s; what is served stays", why)
            _end(why, f"trial ended, {why}")


# For the workers.


def share_with(others: Others | None) -> None:
    """Pass on what is counted, and have the coordinator compare it."""
    global _others  # noqa: PLW0603 - a process is one worker
    _others = others


def wanted() -> Wanted | None:
    """Return the trial that is to begin with the update that is being staged; None: no trial."""
    return _state.wanted


def agree(wanted: Wanted | None) -> None:
    """Note the trial that begins with the update that is being staged in all workers."""
    with _lock:
        _state.agreed = wanted


def reason() -> dict[str, str] | None:
    """Return the key of the trial that the rollback under way ends, and why; None if none does."""
    with _lock:
        now = _state.running
        if now is None or not _state.because:
            return None
        return {"key": now.key, "why": _state.because}


def expect(why: str) -> None:
    """Note why another worker makes the rollback that is staged next."""
    with _lock:
        if _state.running is not None:
            _state.because = why


def is_confirmed(key: str) -> bool:
    """Whether that trial was confirmed."""
    over = _state.over
    return over is not None and over[0].key == key and over[1] == "confirmed"


def confirmed_elsewhere(key: str) -> None:
    """Another worker was told that it is confirmed."""
    with _lock:
        now = _state.running
        if now is not None and now.key == key:
            _end("confirmed", f"confirmed at {clock(time.time(), seconds=True)}")


def alarm(key: str, why: str) -> None:
    """The coordinator has found that requests fail more often."""
    with _lock:
        now = _state.running
        if now is not None and now.key == key and not now.why:
            _state.running = replace(now, why=why)
            _news.set()


def told() -> dict[str, Any] | None:
    """Return the trial for a worker that joins; None if there is none."""
    now = _state.running
    if now is None:
        return None
    shown = now.shown
    return {
        "key": now.key,
        "seconds": shown.seconds,
        "left": max(0.0, now.deadline - time.monotonic()),
        "round": now.round,
        "generation": shown.generation,
        "back_to": shown.back_to,
    }


def join(told: dict[str, Any]) -> None:
    """Take up a trial that the other workers have; one that is known already stays as it is."""
    with _lock:
        known = [_state.running, _state.over[0] if _state.over else None]
        if any(each is not None and each.key == told["key"] for each in known):
            return
        shown = Trial(
            generation=told["generation"],
            back_to=told["back_to"],
            until=time.time() + told["left"],
            seconds=told["seconds"],
        )
        deadline = time.monotonic() + told["left"]
        now, _ = _core.view()
        _begin(_Running(told["key"], shown, deadline, None, now, told["round"]))


# Beginning and end; under `_lock`.


class _Participant:
    """Begins and ends trials with updates. Its order is after the other workers."""

    order = 60
    what = "the trial"

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Have what is served kept, if it is what a trial would go back to."""
        with _lock:
            _state.goes_back = not on_disk
            begins = _state.agreed if _others is not None else _state.wanted
            _state.agreed = begins
            _state.before, _ = _core.view() if begins or _state.running else (0, "")
            if begins and _state.running is None:
                _core.protect(_state.before)

    def published(self, generation: int) -> None:
        """A trial begins, goes on, or ends."""
        with _lock:
            begins, _state.agreed = _state.agreed, None
            now, because = _state.running, _state.because
            _state.because = ""
            if _state.goes_back:
                if now is not None:
                    why = because or "by a rollback"
                    _end(why, f"taken back: {why}")
                    _state.note(generation, because)
                return
            if now is not None:
                self._goes_on(now, generation, begins)
            elif begins and not is_confirmed(begins["key"]):
                shown = Trial(
                    generation, _state.before, time.time() + begins["seconds"], begins["seconds"]
                )
                deadline = time.monotonic() + begins["seconds"]
                _begin(_Running(begins["key"], shown, deadline, _state.before, generation))
            else:
                _state.over = None

    def _goes_on(self, now: _Running, generation: int, begins: Wanted | None) -> None:
        now = replace(now, now=generation, round=now.round + 1, why="")
        if begins and begins["key"] != now.key:
            # Asked for anew: there is more time.
            until = time.time() + begins["seconds"]
            shown = replace(now.shown, until=until, seconds=begins["seconds"])
            now = replace(now, shown=shown, deadline=time.monotonic() + begins["seconds"])
        _state.running = now
        _state.note(generation, _on_trial(now.shown))

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """Nothing begins."""
        with _lock:
            _state.agreed, _state.because = None, ""
            if _state.running is None:
                _core.protect(None)


_PARTICIPANT = _Participant()


def take_part() -> None:
    """Take part in updates from now on."""
    _register_once()
    participants.register(_PARTICIPANT)


def forget() -> None:
    """Transfuse leaves this process."""
    global _state  # noqa: PLW0603
    with _lock:
        _state = _State()
        _afterwards.clear()
        _news.set()


def _begin(trial: _Running) -> None:
    global _news  # noqa: PLW0603
    _state.running, _state.over = trial, None
    _state.note(trial.now, _on_trial(trial.shown))
    _news = threading.Event()
    _start(trial)


def _start(trial: _Running) -> None:
    native.thread(
        target=_watch, args=(trial.key, _news), name="transfuse-trial", daemon=True
    ).start()


def _end(how: str, note: str) -> None:
    now, _state.running = _state.running, None
    assert now is not None
    _state.over = (now, how)
    _state.because = ""
    for generation in range(now.shown.generation, now.now + 1):
        if generation in _state.notes:
            _state.note(generation, note)
    _core.protect(None)
    _news.set()
    if how == "confirmed":
        _log.info("confirmed: generation %d stays", now.now)
        calls = _afterwards[:]
        for call in calls:
            native.thread(target=call, name="transfuse-trial", daemon=True).start()
    _afterwards.clear()


def _on_trial(shown: Trial) -> str:
    return f"on trial until {clock(shown.until, seconds=True)}, then back to {shown.back_to}"


# The thread of a trial.


def _watch(key: str, news: Any) -> None:
    seen: tuple[Counts, Counts, int] | None = None
    pause = _PAUSE
    while (now := _state.running) is not None and now.key == key:
        why = now.why
        if not why and time.monotonic() >= now.deadline:
            why = f"not confirmed within {span(now.shown.seconds)}"
        if why:
            if not _go_back(now, why):
                news.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        counts = (*_counts(now), now.now)
        if counts != seen:
            seen = counts
            _compare(now, *counts)
        news.clear()
        if _state.running is now:
            news.wait(max(0.0, min(_TURN, now.deadline - time.monotonic())))


def _counts(now: _Running) -> tuple[Counts, Counts]:
    found = {number: Counts(*counts) for number, *counts in _core.request_counts()}
    old = NO_REQUEST if now.base is None else found.get(now.base, NO_REQUEST)
    return old, found.get(now.now, NO_REQUEST)


def _compare(now: _Running, old: Counts, new: Counts, generation: int) -> None:
    if (others := _others) is not None:
        others.say_counts(now.key, now.round, old, new)
    elif error_rates.fails_more(old, new, now.round):
        with _lock:
            running = _state.running
            if running is not None and running.now == generation:
                alarm(now.key, error_rates.words(old, new))


def _go_back(now: _Running, why: str) -> bool:
    """Go back, and return whether that has ended the trial, or something newer was published."""
    if now.base is None:
        # Those that have the former generation take this process along.
        if time.monotonic() > now.deadline + _OVERDUE:
            abandon("and no process has the generation any more that it goes back to")
            return True
        return False
    with _lock:
        if _state.running is not now:
            return True
        _state.because = why
    try:
        outcome = _core.rollback(now.base, only_from=now.now)["outcome"]
    except GenerationError as error:
        with _lock:
            if _state.running is now:
                abandon(f"and cannot go back: {error}")
        return True
    except TransfuseError:
        return False  # Transfuse is being uninstalled, or the process ends
    finally:
        expect("")
    return outcome != "refused" or _state.running is not now


@functools.cache
def _register_once() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """The child is on trial as well; the thread that watches is not in it."""
    global _lock, _news
    _lock, _news = threading.RLock(), threading.Event()
    _state.agreed, _state.because = None, ""
    if (now := _state.running) is not None:
        _start(now)
