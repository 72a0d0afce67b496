"""Print the result of the show."""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.show import Outcome


def lines(outcome: Outcome) -> Iterator[str]:
    """Print the result of each kind of edit, then the sums."""
    yield f"{'edit':<40}{'times':>6}{'modules run':>13}{'median ms':>11}{'worst ms':>10}"
    for what in dict.fromkeys(saved.what for saved in outcome.saved):
        saved = [each for each in outcome.saved if each.what == what]
        times = [each.seconds * 1000 for each in saved]
        ran = sorted({outcome.ran(each) for each in saved})
        yield (
            f"{what:<40}{len(saved):>6}{_range(ran):>13}"
            f"{statistics.median(times):>11.1f}{max(times):>10.1f}"
        )
    yield ""
    yield from (f"{name:<40}{value:>18}" for name, value in _sums(outcome).items())


def _sums(outcome: Outcome) -> dict[str, str]:
    tally = outcome.tally
    sums = {
        "requests": f"{tally.requests + outcome.asked:,}",
        "  of the load": f"{tally.requests:,} in {tally.seconds:.1f} s",
        "  to deleted routes, 404 as is right": f"{tally.gone:,}",
        "failed": f"{tally.failed:,}",
        "mixed": f"{tally.mixed + sum(fault.startswith('mixed') for fault in outcome.faults):,}",
        "versions of the code seen by the load": f"{tally.versions:,}",
        "answer of the load, median and worst": f"{_ms(tally.median)}, {_ms(tally.worst)} ms",
        "updates": f"{len(outcome.published):,}",
        "refused updates": f"{len(outcome.updates) - len(outcome.published):,}",
        "rollbacks": f"{outcome.rollbacks:,}",
        "handovers to fresh processes": f"{outcome.handovers:,}",
        "load of the machine, its processors": f"{os.getloadavg()[0]:.1f}, {os.cpu_count()}",
    }
    if outcome.leaf_times:
        sums["save to served, one leaf, median"] = f"{_ms(outcome.leaf_median)} ms"
        sums["save to served, one leaf, worst"] = f"{_ms(max(outcome.leaf_times))} ms"
        sums["  the write alone, worst"] = f"{_ms(max(each.writing for each in outcome.leaves))} ms"
    return sums


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _range(numbers: list[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
