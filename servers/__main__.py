"""`python -m servers`: all servers, or those whose names contain one of the words; as a table."""

from __future__ import annotations

import argparse
import statistics
import sys

from servers.kinds import KINDS
from servers.trial import Outcome, attempt

HEAD = (
    "server",
    "requests",
    "failed",
    "mixed",
    "save to served, ms",
    "workers apart, ms: median, worst",
    "own reloader: failed of requests",
    "save to served, ms",
)


def main() -> int:
    """Try servers, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m servers", description=main.__doc__)
    parser.add_argument("word", nargs="*", help="of the servers' names; default: all")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--alone", action="store_true", help="not the servers' own reloaders")
    given = parser.parse_args()
    kinds = [
        kind
        for kind in KINDS
        if not given.word or any(word.lower() in kind.name.lower() for word in given.word)
    ]
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    bad = 0
    for kind in kinds:
        ours = attempt(kind, updates=given.updates)
        own = None
        if kind.own and not given.alone:
            own = attempt(kind, updates=given.updates, own=True)
        print(f"| {' | '.join(_row(kind.name, ours, own))} |", flush=True)
        wrong = [*ours.faults, *ours.tally.faults]
        if ours.missed:
            wrong.append(f"{ours.missed} edits were not served")
        if wrong:
            bad += 1
            print("\n".join(wrong), ours.log[-3000:], sep="\n", file=sys.stderr, flush=True)
        if own and own.faults:
            print("its own reloader:", *own.faults, sep="\n", file=sys.stderr, flush=True)
    return 1 if bad else 0


def _row(name: str, ours: Outcome, own: Outcome | None) -> list[str]:
    tally = ours.tally
    row = [
        name,
        f"{tally.requests:,}",
        str(tally.failed),
        str(tally.mixed),
        _ms(ours),
        _apart(ours),
    ]
    if own is None:
        return [*row, "", ""]
    lost = f"{own.tally.failed:,} of {own.tally.requests:,}"
    return [*row, lost, _ms(own) + (f" ({own.missed} not served)" if own.missed else "")]


def _apart(outcome: Outcome) -> str:
    apart = outcome.apart
    return f"{statistics.median(apart):.1f}, {max(apart):.1f}" if apart else ""


def _ms(outcome: Outcome) -> str:
    return f"{outcome.median * 1000:.0f}"


if __name__ == "__main__":
    sys.exit(main())
