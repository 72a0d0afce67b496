"""Which tests differ between two runs, and is what an updating run left behind in order?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from packages.suite import Run
    from packages.table import Package


class Difference(NamedTuple):
    """A test with another outcome in the second run, or that is missing there (``"absent"``)."""

    test: str
    plain: str
    other: str


def differences(plain: dict[str, str], other: dict[str, str]) -> list[Difference]:
    """Return the tests whose outcomes are not the same, in order of their names."""
    return [
        Difference(test, plain.get(test, "absent"), other.get(test, "absent"))
        for test in sorted(plain.keys() | other.keys())
        if plain.get(test) != other.get(test)
    ]


def uncovered(plain: Run, live: Run) -> list[Difference]:
    """Return the files of which not the same lines were executed."""
    return [
        Difference(f"lines of {name} not executed", str(lines), str(live.covered.get(name)))
        for name, lines in sorted(plain.covered.items())
        if lines != live.covered.get(name)
    ]


def untidy(meanwhile: dict[str, Any], package: Package) -> list[str]:
    """Say what is wrong with an updating run apart from its tests."""
    found = []
    if not meanwhile:
        return ["did not come to its end"]
    if meanwhile["updates"] == 0:
        found.append("no update was made")
    if meanwhile["refused"]:
        found.append(f"{meanwhile['refused']} updates were refused: {meanwhile['refusals']}")
    if meanwhile["most"] > package.most and not package.held:
        found.append(f"{meanwhile['most']} instances of one module are still in memory")
    return found


def tally(outcomes: dict[str, str]) -> str:
    """Count the tests by outcome: ``"1490 passed, 21 skipped"``."""
    counts = Counter(outcomes.values())
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()) or "none"
