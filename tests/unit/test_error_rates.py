"""The test of two error rates alarms by mistake as seldom as it says, however often one looks."""

from __future__ import annotations

import random
from math import sqrt
from typing import TYPE_CHECKING

import pytest

from transfuse.updates.error_rates import (
    FALSE_ALARM,
    MARGIN,
    NO_REQUEST,
    Counts,
    fails_more,
    highest_rate,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = 3000
LOOKS = 300
MANY = 10**9


def sequential(old: Counts, new: Counts, alpha: float) -> bool:
    return fails_more(old, new, alpha=alpha)


def for_one_look(old: Counts, new: Counts, alpha: float) -> bool:
    """The test of textbooks, which holds for a number of requests that was fixed before."""
    before, now = old.failed / old.begun, new.failed / new.begun
    pooled = (old.failed + new.failed) / (old.begun + new.begun)
    spread = sqrt(pooled * (1 - pooled) * (1 / old.begun + 1 / new.begun)) or 1.0
    return (now - before - MARGIN) / spread > {0.001: 3.090, 0.05: 1.645}[alpha]


def false_alarms(
    test: Callable[[Counts, Counts, float], bool], rate: float, before: int, alpha: float
) -> int:
    """In how many streams a test alarms, that is asked after each request.

    The new generation fails as often as is allowed: by the margin more than the old one.
    """
    chance = random.Random(17)
    alarms = 0
    for _ in range(STREAMS):
        # A very large number says the rate itself, and drawing it is not needed.
        drawn = before < MANY
        failed = sum(chance.random() < rate for _ in range(before)) if drawn else rate * before
        old = Counts(before, before, int(failed))
        failed = 0
        for begun in range(1, LOOKS + 1):
            if chance.random() >= rate + MARGIN:
                continue  # after a success there is never more reason than before it
            failed += 1
            if test(old, Counts(begun, begun, failed), alpha):
                alarms += 1
                break
    return alarms


@pytest.mark.parametrize(("rate", "before"), [(0.0005, 500), (0.05, 100), (0.3, 50)])
@pytest.mark.parametrize("alpha", [FALSE_ALARM, 0.05])
def test_false_alarms_are_as_rare_as_stated(rate: float, before: int, alpha: float) -> None:
    assert false_alarms(sequential, rate, before, alpha) <= alpha * STREAMS


@pytest.mark.parametrize("rate", [0.05, 0.3])
@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_the_first_generation_takes_its_share_of_them_only(rate: float, alpha: float) -> None:
    """Where the former rate is known: no caution about that hides what the rest does."""
    assert false_alarms(sequential, rate, MANY, alpha) <= alpha / 4 * STREAMS


def test_a_test_for_one_look_would_alarm_much_more_often() -> None:
    """So the simulation would notice it."""
    assert false_alarms(for_one_look, 0.3, 50, 0.05) > 3 * 0.05 * STREAMS
    assert false_alarms(for_one_look, 0.05, 100, FALSE_ALARM) > 3 * FALSE_ALARM * STREAMS


def test_false_alarms_are_rare_while_requests_are_still_running() -> None:
    """Failures are fast: of the last requests only those are known that have failed."""
    chance, alarms = random.Random(17), 0
    for _ in range(STREAMS):
        failed = 0
        for begun in range(1, 201):
            failed += chance.random() < 0.3
            answered = max(0, begun - 50) + failed
            if fails_more(Counts(60, 55, 15), Counts(begun, answered, failed), alpha=0.05):
                alarms += 1
                break
    assert alarms <= 0.05 * STREAMS


def test_a_generation_that_fails_half_of_its_requests_is_caught_within_a_few_dozen() -> None:
    chance = random.Random(17)
    old = Counts(4000, 4000, 2)
    for _ in range(500):
        failed = 0
        for begun in range(1, 41):
            failed += chance.random() < 0.5
            if fails_more(old, Counts(begun, begun, failed)):
                break
        else:
            raise AssertionError(f"{failed} of 40 failed, and no alarm")


def test_one_that_fails_twice_as_often_is_caught_in_time() -> None:
    assert fails_more(Counts(20_000, 20_000, 1000), Counts(2_000, 2_000, 200))


def test_it_does_not_alarm_without_evidence() -> None:
    failing = Counts(40, 40, 14)
    assert fails_more(Counts(4000, 4000, 2), failing)
    # Nothing is known of the generation before, or too little.
    assert not fails_more(NO_REQUEST, failing)
    assert not fails_more(Counts(5, 5, 0), failing)
    # What runs still may fail.
    assert not fails_more(Counts(4000, 2000, 2), failing)
    assert not fails_more(Counts(4000, 4000, 2), NO_REQUEST)
    # One failure is none.
    assert not fails_more(Counts(4000, 4000, 0), Counts(1, 1, 1))
    # A difference below the margin is none, however certain.
    assert not fails_more(Counts(10**7, 10**7, 10_000), Counts(10**7, 10**7, 100_000))


def test_each_further_generation_of_a_trial_needs_more_evidence() -> None:
    old = Counts(4000, 4000, 2)
    needed = [
        next(count for count in range(1, 100) if fails_more(old, Counts(count, count, count), of))
        for of in (1, 2, 10, 100)
    ]
    assert needed == sorted(needed)
    assert needed[0] < needed[-1] < 10


def test_the_upper_end_is_above_the_rate() -> None:
    assert highest_rate(0, 0, 0.001) == 1.0
    for failed, begun in ((0, 10), (5, 10), (2, 4000), (10, 10)):
        assert failed / begun <= highest_rate(failed, begun, 0.001) <= 1.0


def test_words() -> None:
    said = words(Counts(4000, 4000, 2), Counts(40, 40, 14))
    assert said == "14 of 40 requests failed, before 2 of 4,000"
