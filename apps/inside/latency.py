"""How long do requests take while updates run, and while another thread uses as much CPU?

Requests are sent at a steady rate, one at a time. Meanwhile a thread updates again and again, or
computes for as long as an update of the turn before did. Both are measured in turns, in one
process.
"""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# The least time between two requests, and that between the end of an update and the next one, in
# seconds. A request may take this share of the time between two.
_BETWEEN, _PAUSE, _SHARE = 0.02, 0.2, 0.2
# How long a turn lasts, in seconds, and how many there are of each kind.
_TURN, _TURNS = 8.0, 2
# How many updates come first, and how many requests tell what one takes.
_UPDATES, _REQUESTS = 3, 20


class _Turn(NamedTuple):
    """What came of one turn.

    Attributes:
        took: seconds, of each request.
        rounds: how often the other thread did its work.
        cpu: the seconds of CPU of all threads.
    """

    took: list[float]
    rounds: int
    cpu: float


def measure(ask: Callable[[], object], update: Callable[[], object]) -> dict[str, float]:
    """Return 99th percentiles in seconds.

    Args:
        ask: sends a request, and returns when it is answered.
        update: changes a file, updates, and sends a first request.

    Returns:
        Those of requests during ``updates`` and ``beside`` other work, the ``requests`` of either
        kind, and the seconds of CPU that an update takes, ``cpu``.
    """
    for _ in range(_UPDATES):
        update()
    ask()
    quiet, begun = [], time.process_time()
    for _ in range(_REQUESTS):
        sent = time.monotonic()
        ask()
        quiet.append(time.monotonic() - sent)
    request = (time.process_time() - begun) / _REQUESTS
    between = max(_BETWEEN, statistics.median(quiet) / _SHARE)
    during: list[float] = []
    beside: list[float] = []
    cost = 0.0

    def compute() -> None:
        end = time.thread_time() + cost
        while time.thread_time() < end:
            sum(range(1000))

    for _ in range(_TURNS):
        turn = _turn(ask, between, update)
        cost = max(0.0, turn.cpu - request * len(turn.took)) / turn.rounds
        during += turn.took
        beside += _turn(ask, between, compute).took
    return {
        "updates": _percentile(during),
        "beside": _percentile(beside),
        "requests": min(len(during), len(beside)),
        "cpu": cost,
    }


def _turn(ask: Callable[[], object], between: float, work: Callable[[], object]) -> _Turn:
    over, rounds = threading.Event(), 0

    def works() -> None:
        nonlocal rounds
        while not over.is_set():
            work()
            rounds += 1
            over.wait(_PAUSE)

    thread = threading.Thread(target=works, name="work")
    took, begun, now = [], time.process_time(), time.monotonic()
    thread.start()
    end = now + _TURN
    while now < end:
        ask()
        answered = time.monotonic()
        took.append(answered - now)
        time.sleep(max(0.0, now + between - answered))
        now = time.monotonic()
    over.set()
    thread.join()
    return _Turn(took, rounds, time.process_time() - begun)


def _percentile(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[-1]
