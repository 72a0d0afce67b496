"""When does a trial end without being confirmed? A thread that lasts as long as the trial.

It goes back when time is up, and when requests fail more often. A process that switches alone
compares its requests itself; otherwise the coordinator of the workers does, which has the counts of
all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config import native
from transfuse.config.native import time
from transfuse.errors import GenerationError, TransfuseError
from transfuse.updates import error_rates
from transfuse.updates.error_rates import NO_REQUEST, Counts
from transfuse.updates.messages import span
from transfuse.updates.trial_state import HERE

if TYPE_CHECKING:
    from transfuse.updates.trial_state import Running

# Seconds between two looks at the counts of requests.
_TURN = 0.1
# The pause after a rollback that was refused, in seconds. It doubles, up to the second value.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# A worker that does not have the former generation follows the rollback of the others. If none has
# come so many seconds after the deadline, it keeps the served generation.
_OVERDUE = 60.0


def start(trial: Running) -> None:
    """Watch a trial from now on."""
    options = {"name": "transfuse-trial", "daemon": True}
    native.thread(target=_watch, args=(trial.key, HERE.news), **options).start()


def _watch(key: str, news: Any) -> None:
    seen: tuple[Counts, Counts, int] | None = None
    pause = _PAUSE
    while (now := HERE.running) is not None and now.key == key:
        why = now.why
        if not why and time.monotonic() >= now.deadline:
            why = f"not confirmed within {span(now.shown.seconds)}"
        if why:
            # Or the alarm that led here would end the pause at once.
            news.clear()
            if not _go_back(now, why):
                news.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        counts = (*_counts(now), now.now)
        if counts != seen:
            seen = counts
            _compare(now, *counts[:2])
        news.clear()
        if HERE.running is now:
            news.wait(max(0.0, min(_TURN, now.deadline - time.monotonic())))


def _counts(now: Running) -> tuple[Counts, Counts]:
    found = {number: Counts(*counts) for number, *counts in _core.request_counts()}
    old = NO_REQUEST if now.base is None else found.get(now.base, NO_REQUEST)
    return old, found.get(now.now, NO_REQUEST)


def _compare(now: Running, old: Counts, new: Counts) -> None:
    if (others := HERE.others) is not None:
        others.say_counts(now.key, now.round, old, new)
    elif error_rates.fails_more(old, new, now.round):
        HERE.alarm(now.key, error_rates.words(old, new), now.round)


def _go_back(now: Running, why: str) -> bool:
    """Go back; return whether that has ended the trial, or something newer was published."""
    if now.base is None:
        if time.monotonic() > now.deadline + _OVERDUE:
            HERE.abandon("and no process has the generation any more that it goes back to")
            return True
        return False
    try:
        with HERE.ending((now.key, why)):
            # From here on it cannot be confirmed in this process.
            if HERE.running is not now:
                return True
            outcome = _core.rollback(now.base, only_from=now.now)["outcome"]
    except GenerationError as error:
        with HERE.lock:
            if HERE.running is now:
                HERE.abandon(f"and cannot go back: {error}")
        return True
    except TransfuseError:
        return False  # Transfuse is being uninstalled, or the process ends
    return outcome != "refused" or HERE.running is not now
