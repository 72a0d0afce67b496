"""Which updates are on trial, and how does a trial begin and end?

A trial begins when an update is published that was asked for with `confirm_within`. It ends when it
is confirmed, by a rollback of whichever kind, or with the process. Until then the generation from
before stays kept, and `trial_watch` goes back to it when time is up, or when requests fail more
often (`error_rates`).

Each of several workers has the trial, with the same key, and goes back at the same time, in one
rollback of all (`workers`). Their coordinator compares the requests.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config.native import time
from transfuse.errors import TransfuseError
from transfuse.updates import participants
from transfuse.updates.trial_state import CONFIRMED, HERE, Running, on_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from transfuse.updates.reports import Trial
    from transfuse.updates.trial_state import Others, Wanted


def running() -> Trial | None:
    """Return the running trial; None if there is none."""
    now = HERE.running
    return None if now is None else now.shown


def note_of(generation: int) -> str:
    """Return the note of the history about the trial of a generation; empty if there is none."""
    return HERE.notes.get(generation, "")


@contextlib.contextmanager
def wanting(seconds: float | None) -> Iterator[None]:
    """Begin a trial with an update that is published meanwhile.

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
    with HERE.lock:
        before, HERE.wanted = HERE.wanted, wanted
    try:
        yield
    finally:
        with HERE.lock:
            HERE.wanted = before


def confirm() -> Trial | None:
    """End the trial and keep its update; return the trial, or None if there is none.

    Raises:
        TransfuseError: it is too late, a rollback is under way.
    """
    with HERE.lock:
        now = HERE.running
        if now is None:
            over = HERE.over
            return over[0].shown if over is not None and over[1] == CONFIRMED else None
        if HERE.going_back is not None:
            raise TransfuseError(f"too late: it is being rolled back ({HERE.going_back[1]})")
        HERE.confirmed()
    if (others := HERE.others) is not None:
        others.say_confirmed(now.key)
    return now.shown


def after(call: Callable[[], object]) -> None:
    """Call something, in a thread of its own, once the trial that is running is confirmed."""
    with HERE.lock:
        HERE.afterwards.append(call)


def abandon(why: str) -> None:
    """End the trial, and keep the served generation; without a trial: do nothing."""
    HERE.abandon(why)


# For the workers.


def share_with(others: Others | None) -> None:
    """Send the counts to the coordinator, which compares those of all workers."""
    HERE.others = others


def wanted() -> Wanted | None:
    """Return the trial that is to begin with the update that is being staged; None: no trial."""
    return HERE.wanted


def agree(wanted: Wanted | None) -> None:
    """Note the trial that begins with the update that is being staged in all workers."""
    with HERE.lock:
        HERE.agreed = wanted


def reason() -> dict[str, str] | None:
    """Return the key of the trial that the rollback under way ends, and why; None if none does."""
    ends = HERE.going_back
    return None if ends is None else {"key": ends[0], "why": ends[1]}


def ending(ends: dict[str, str] | None) -> AbstractContextManager[None]:
    """Note what `reason` has told of the rollback of another worker, while it is made here."""
    return contextlib.nullcontext() if ends is None else HERE.ending((ends["key"], ends["why"]))


def key() -> str | None:
    """Return the key of the trial that is running; None if none is."""
    now = HERE.running
    return None if now is None else now.key


def how_it_ended(key: str) -> str | None:
    """Return how that trial ended here; None if it has not, or is not known."""
    return HERE.ended.get(key)


def ended_elsewhere(key: str, how: str) -> None:
    """That trial is over in the other workers, such as ``"confirmed"``."""
    with HERE.lock:
        now = HERE.running
        if now is not None and now.key == key:
            if how == CONFIRMED:
                HERE.confirmed()
            else:
                HERE.end(how, f"trial ended, {how}")


def alarm(key: str, why: str, generation: int | None = None) -> None:
    """The coordinator has found that requests fail more often."""
    HERE.alarm(key, why, generation)


def told() -> dict[str, Any] | None:
    """Return the trial for a worker that joins; None if there is none."""
    now = HERE.running
    if now is None:
        return None
    return {
        "key": now.key,
        "seconds": now.shown.seconds,
        "left": max(0.0, now.deadline - time.monotonic()),
        "round": now.round,
        "generation": now.shown.generation,
        "back_to": now.shown.back_to,
    }


def join(told: dict[str, Any]) -> None:
    """Take up a trial that the other workers have; one that is known already stays as it is."""
    with HERE.lock:
        if told["key"] == key() or told["key"] in HERE.ended:
            return
        left: float = told["left"]
        until = time.time() + left
        shown = _shown(told["generation"], told["back_to"], until, told["seconds"])
        now, _ = _core.view()
        deadline = time.monotonic() + left
        _begin(Running(told["key"], shown, deadline, None, now, told["round"]))


# Beginning and end.


class _Participant:
    """Begins and ends trials with updates. It is called after the other workers."""

    order = 60
    what = "the trial"

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Protect the served generation, if a trial would go back to it."""
        with HERE.lock:
            HERE.goes_back = not on_disk
            HERE.agreed = begins = HERE.agreed if HERE.others is not None else HERE.wanted
            if begins and HERE.running is None:
                HERE.before, _ = _core.view()
                _core.protect(HERE.before)

    def published(self, generation: int) -> None:
        """A trial begins, goes on, or ends."""
        with HERE.lock:
            begins, HERE.agreed = HERE.agreed, None
            now = HERE.running
            if now is not None and HERE.goes_back:
                ends = HERE.going_back
                why = "" if ends is None else ends[1]
                how = why or "by a rollback"
                HERE.end(how, f"taken back: {how}")
                HERE.note(generation, why)
            elif now is not None:
                _goes_on(now, generation, begins)
            elif begins and not HERE.goes_back and begins["key"] not in HERE.ended:
                seconds: float = begins["seconds"]
                shown = _shown(generation, HERE.before, time.time() + seconds, seconds)
                deadline = time.monotonic() + seconds
                _begin(Running(begins["key"], shown, deadline, HERE.before, generation))
            else:
                HERE.over = None

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """The trial of this update does not begin."""
        with HERE.lock:
            HERE.agreed = None
            if HERE.running is None:
                _core.protect(None)


_PARTICIPANT = _Participant()


def _shown(generation: int, back_to: int, until: float, seconds: float) -> Trial:
    # Here and not above: few processes have a trial.
    from transfuse.updates.reports import Trial  # noqa: PLC0415

    return Trial(generation, back_to, until, seconds)


def _begin(trial: Running) -> None:
    HERE.begin(trial)
    _watch(trial)


def _watch(trial: Running) -> None:
    from transfuse.updates import trial_watch  # noqa: PLC0415 - few processes have a trial

    trial_watch.start(trial)


def _goes_on(now: Running, generation: int, begins: Wanted | None) -> None:
    """A newer generation joins the trial. Its own requests are compared."""
    now = now._replace(now=generation, round=now.round + 1, why="")
    if begins and begins["key"] != now.key:
        # Asked for anew: there is more time.
        seconds: float = begins["seconds"]
        shown = _shown(now.shown.generation, now.shown.back_to, time.time() + seconds, seconds)
        now = now._replace(shown=shown, deadline=time.monotonic() + seconds)
    HERE.running = now
    HERE.note(generation, on_trial(now.shown))


def take_part() -> None:
    """Take part in updates from now on."""
    participants.register(_PARTICIPANT)


def forget() -> None:
    """Forget all trials: Transfuse is being uninstalled."""
    with HERE.lock:
        HERE.forget()


def _after_fork() -> None:
    """The child is on trial as well; the thread that watches is not in it."""
    HERE.after_fork()
    HERE.agreed = HERE.going_back = None
    if (now := HERE.running) is not None:
        _watch(now)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
