"""`python -m replay`: all packages of the table, or those that are named, by all routes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from replay.journey import PROJECT, Journey, JourneyError
from replay.shelf import ShelfError
from replay.table import HISTORIES

if TYPE_CHECKING:
    from replay.journey import Step
    from replay.table import History
    from replay.verdict import Way

# Policies, and how a release is deployed: file by file, or by turning a link.
ROUTES = (("overlay", "files"), ("fresh", "files"), ("overlay", "link"))
# Differences of one step that are shown.
SHOWN = 20


def main() -> int:
    """Replay histories, show a table, and return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m replay", description=__doc__)
    parser.add_argument("names", nargs="*", help="packages of the table; default: all")
    folder = PROJECT / ".releases"
    parser.add_argument("--folder", type=Path, default=folder, help="what is kept between runs")
    options = parser.parse_args()
    if unknown := set(options.names) - {each.name for each in HISTORIES}:
        parser.error(f"not in the table: {', '.join(sorted(unknown))}")
    chosen = [each for each in HISTORIES if not options.names or each.name in options.names]
    begun = time.monotonic()
    rows: dict[tuple[str, str, str], list[Step]] = {}
    failed: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="transfuse-replay-") as scratch:
        for history in chosen:
            try:
                rows |= _replay(history, options.folder, Path(scratch).resolve())
            except (JourneyError, ShelfError) as error:
                _say(f"== {history.name}: {error}")
                failed.add(history.name)
    _table(rows)
    failed |= {name for (name, _, _), steps in rows.items() if any(each.wrong for each in steps)}
    took = f"{time.monotonic() - begun:.0f} s"
    print(f"WRONG: {', '.join(sorted(failed))} ({took})" if failed else f"none is wrong ({took})")
    return 1 if failed else 0


def _replay(history: History, shelf: Path, scratch: Path) -> dict[tuple[str, str, str], list[Step]]:
    journey = Journey(history, shelf, scratch)
    rows = {}
    for policy, deployed in ROUTES:
        _say(f"== {history.name}, {policy}, by {deployed}")
        rows[history.name, policy, deployed] = steps = journey.travel(policy, deployed)
        for step in steps:
            ran = f"{step.ran} of {step.modules} modules ran"
            _say(f"   {step.before} -> {step.after}: {step.way}, {ran}")
            for told in step.told:
                _say(f"      {told}")
            for wrong in step.wrong[:SHOWN]:
                _say(f"      WRONG: {wrong}")
            if len(step.wrong) > SHOWN:
                _say(f"      and {len(step.wrong) - SHOWN} more")
    return rows


def _table(rows: dict[tuple[str, str, str], list[Step]]) -> None:
    ways: tuple[Way, ...] = ("live", "widened", "restart")
    print(f"\n{'package':<16}{'policy':<9}{'by':<7}{'releases':<20}{'steps':>5}", end="")
    print("".join(f"{each:>9}" for each in ways) + f"{'wrong':>7}{'modules run':>14}")
    for (name, policy, deployed), steps in rows.items():
        went = [step.way for step in steps if not step.wrong]
        counts = "".join(f"{went.count(each):>9}" for each in ways)
        releases = f"{steps[0].before} to {steps[-1].after}"
        wrong = sum(bool(step.wrong) for step in steps)
        ran = f"{sum(step.ran for step in steps)} of {sum(step.modules for step in steps)}"
        print(
            f"{name:<16}{policy:<9}{deployed:<7}{releases:<20}{len(steps):>5}{counts}{wrong:>7}{ran:>14}"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
