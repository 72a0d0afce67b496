"""Do requests fail more often in one generation than in another?

A test that stays valid however often one looks. For a rate p, with n requests of which x failed,

    M(p) = B(x + 1, n - x + 1) / (p ** x * (1 - p) ** (n - x))

is a martingale that begins at 1: the likelihood of the data under a uniform mixture of rates, over
that under p. By Ville's inequality it ever reaches 1/a with probability a at most. So the rates p
for which M(p) < 1/a form intervals that contain the true one at all times at once, but for that
probability (Robbins 1970, "Statistical methods related to the law of the iterated logarithm";
Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence
sequences"). The new generation fails more often once the lower end of its interval is above the
upper end of the old one's by a margin. That is a false alarm only if one of the two intervals is
wrong, with probability `FALSE_ALARM` at most, whatever the rates are and whenever it is asked.

It assumes that requests of one generation fail independently, at one rate. They count in the order
in which they begin: one that is not answered yet has not failed in the new generation, and has
failed in the old one. Otherwise failures, which are fast, would be seen before the successes.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, lgamma, log, log1p
from typing import NamedTuple

# The probability that a trial is ended by mistake, at most.
FALSE_ALARM = 0.001
# A generation may fail so much more often than the one before: one request in a hundred.
MARGIN = 0.01
# Halvings of an interval of rates; 2 ** -50 of it is left.
_HALVINGS = 50


class Counts(NamedTuple):
    """The requests of a generation: how many began, were answered, and failed."""

    begun: int
    answered: int
    failed: int

    def __add__(self, other: tuple[int, ...]) -> Counts:  # type: ignore[override]
        begun, answered, failed = other
        return Counts(self.begun + begun, self.answered + answered, self.failed + failed)


NO_REQUEST = Counts(0, 0, 0)


def fails_more(old: Counts, new: Counts, generation: int = 1, alpha: float = FALSE_ALARM) -> bool:
    """Whether the rate of `new` is above that of `old` by more than the margin, as is now certain.

    Args:
        old: of the generation before the trial.
        new: of the one that is on trial.
        generation: which one on trial this is, from 1.
        alpha: the probability that any of them alarms by mistake, at most. Half of it is for the
            interval of `old`; of the other half these have 1/2, 1/6, 1/12, ..., which sum up to 1.
    """
    worst = old.failed + old.begun - old.answered
    rate = highest_rate(worst, old.begun, alpha / 2) + MARGIN
    if new.failed <= rate * new.begun:
        return False
    share = 1 / (generation * (generation + 1))
    return _log_martingale(rate, new.failed, new.begun) >= log(2 / alpha / share)


@lru_cache(maxsize=16)
def highest_rate(failed: int, begun: int, alpha: float) -> float:
    """Return the upper end of the interval of rates; wrong at any time with probability `alpha`."""
    if begun == 0:
        return 1.0
    low, high = failed / begun, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _log_martingale(middle, failed, begun) >= log(1 / alpha):
            high = middle
        else:
            low = middle
    return high


def words(old: Counts, new: Counts) -> str:
    """Tell the counts: ``"14 of 40 requests failed, before 2 of 4,000"``."""
    return (
        f"{new.failed:,} of {new.begun:,} requests failed, before {old.failed:,} of {old.begun:,}"
    )


def _log_martingale(rate: float, failed: int, begun: int) -> float:
    succeeded = begun - failed
    if (rate <= 0 and failed) or (rate >= 1 and succeeded):
        return inf
    likelihood = failed * log(rate) if failed else 0.0
    likelihood += succeeded * log1p(-rate) if succeeded else 0.0
    mixture = lgamma(failed + 1) + lgamma(succeeded + 1) - lgamma(begun + 2)
    return mixture - likelihood
