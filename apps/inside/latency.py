"""How long do requests take while updates run, and while another thread uses as much CPU?

Requests are sent at a steady rate, one at a time. Meanwhile a thread updates again and again, or
computes for as long as an update of the turn before did. Both are measured in turns, in one
process.

The first request to a new generation does what the first request to a fresh process does: it fills
the caches of the application, for example with compiled templates. Such requests are recognized by
the CPU that they need themselves, and reported apart from those that only wait.
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
# A request fills caches if it needs so many times the CPU of others, and so many seconds more.
_TIMES, _MORE = 3.0, 0.002


class _Request(NamedTuple):
    """What one request took.

    Attributes:
        took: seconds.
        own: the seconds of CPU that the application needed for it.
    """

    took: float
    own: float


class _Turn(NamedTuple):
    """What came of one turn.

    Attributes:
        requests: those that were sent.
        rounds: how often the other thread did its work.
        cpu: the seconds of CPU of all threads.
    """

    requests: list[_Request]
    rounds: int
    cpu: float


def measure(ask: Callable[[], float], update: Callable[[], object]) -> dict[str, float]:
    """Return 99th percentiles in seconds.

    Args:
        ask: sends a request, waits for the answer, and returns the seconds of CPU that the
            application needed for it.
        update: changes a file, updates, and sends a first request.

    Returns:
        Those of requests during ``updates`` and ``beside`` other work, the ``requests`` of either
        kind, and the seconds of CPU that an update takes, ``cpu``. Of the requests that filled
        caches the number, ``first``, and of these the median of the CPU that they needed
        themselves, ``own``, and the most that one took, ``slowest``.
    """
    for _ in range(_UPDATES):
        update()
    ask()
    begun = time.process_time()
    quiet = [_ask(ask) for _ in range(_REQUESTS)]
    request = (time.process_time() - begun) / _REQUESTS
    between = max(_BETWEEN, statistics.median(each.took for each in quiet) / _SHARE)
    usual = statistics.median(each.own for each in quiet)
    during: list[_Request] = []
    beside: list[_Request] = []
    cost = 0.0

    def compute() -> None:
        end = time.thread_time() + cost
        while time.thread_time() < end:
            sum(range(1000))

    for _ in range(_TURNS):
        turn = _turn(ask, between, update)
        cost = max(0.0, turn.cpu - request * len(turn.requests)) / turn.rounds
        during += turn.requests
        beside += _turn(ask, between, compute).requests
    most = max(_TIMES * usual, usual + _MORE)
    first = [each for each in during if each.own > most]
    others = [each for each in during if each.own <= most]
    return {
        "updates": _percentile(others),
        "beside": _percentile(beside),
        "requests": min(len(others), len(beside)),
        "cpu": cost,
        "first": len(first),
        "own": statistics.median([each.own for each in first] or [0.0]),
        "slowest": max((each.took for each in first), default=0.0),
    }


def _ask(ask: Callable[[], float]) -> _Request:
    sent = time.monotonic()
    own = ask()
    return _Request(time.monotonic() - sent, own)


def _turn(ask: Callable[[], float], between: float, work: Callable[[], object]) -> _Turn:
    over, rounds = threading.Event(), 0

    def works() -> None:
        nonlocal rounds
        while not over.is_set():
            work()
            rounds += 1
            over.wait(_PAUSE)

    thread = threading.Thread(target=works, name="work")
    requests, begun, now = [], time.process_time(), time.monotonic()
    thread.start()
    end = now + _TURN
    try:
        while now < end:
            requests.append(_ask(ask))
            # Requests are sent at a steady rate; nothing is waited for.
            time.sleep(max(0.0, now + between - time.monotonic()))
            now = time.monotonic()
    finally:
        over.set()
        thread.join()
    return _Turn(requests, rounds, time.process_time() - begun)


def _percentile(requests: list[_Request]) -> float:
    return statistics.quantiles([each.took for each in requests], n=100)[-1]
