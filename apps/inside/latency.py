"""How long do requests take while updates run, and while another thread uses as much CPU?

Requests are sent at a steady rate, and the time of each counts from when it was due: one that is
late because the one before took long has waited. Meanwhile a thread updates again and again, or
computes for as long as an update does. Both are measured in turns, in one process.
"""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING

from .gauges import cpu

if TYPE_CHECKING:
    from collections.abc import Callable

# The least time between two requests, and that between the end of an update and the next one, in
# seconds. A request may take this share of the time between two.
_BETWEEN, _PAUSE, _SHARE = 0.02, 0.2, 0.2
# How long a turn lasts, in seconds, and how many there are of each kind.
_TURN, _TURNS = 8.0, 2
# How many updates tell what one costs, and how many requests what one takes.
_UPDATES, _REQUESTS = 3, 20


def measure(ask: Callable[[], object], update: Callable[[], object]) -> dict[str, float]:
    """Return 99th percentiles in seconds.

    Args:
        ask: sends a request, and returns when it is answered.
        update: changes a file, and updates.

    Returns:
        Those of requests during ``updates`` and ``beside`` other work, the ``requests`` of either
        kind, and the seconds of CPU that an update takes, ``cpu``.
    """
    begun = cpu()
    for _ in range(_UPDATES):
        update()
    cost = (cpu() - begun) / _UPDATES
    between = max(_BETWEEN, statistics.median(_time(ask) for _ in range(_REQUESTS)) / _SHARE)

    def compute() -> None:
        end = time.thread_time() + cost
        while time.thread_time() < end:
            sum(range(1000))

    during: list[float] = []
    beside: list[float] = []
    for _ in range(_TURNS):
        during += _turn(ask, between, update)
        beside += _turn(ask, between, compute)
    return {
        "updates": _percentile(during),
        "beside": _percentile(beside),
        "requests": min(len(during), len(beside)),
        "cpu": cost,
    }


def _time(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _turn(ask: Callable[[], object], between: float, work: Callable[[], object]) -> list[float]:
    over = threading.Event()

    def works() -> None:
        while not over.is_set():
            work()
            over.wait(_PAUSE)

    thread = threading.Thread(target=works, name="work")
    thread.start()
    took = []
    due = time.monotonic()
    end = due + _TURN
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        ask()
        took.append(time.monotonic() - due)
        due += between
    over.set()
    thread.join()
    return took


def _percentile(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[-1]
