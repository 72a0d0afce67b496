"""`python -m demo`: a real application takes edits under load; 1 if anything went wrong."""

from __future__ import annotations

import argparse
import sys

from demo import table
from demo.show import CLIENTS, perform


def main() -> int:
    """Serve, load, edit and measure, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="the load lasts so long")
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second, in all")
    parser.add_argument("--log", action="store_true", help="show the server's log at the end")
    given = parser.parse_args()
    print(f"20 modules of Flask by Granian; {CLIENTS} clients, {given.rate:.0f} requests a second")
    outcome = perform(
        seconds=given.seconds, rate=given.rate, told=lambda line: print(line, flush=True)
    )
    print(f"{len(outcome.saved)} edits were served while the load ran\n")
    for line in table.lines(outcome):
        print(line)
    for fault in outcome.faults:
        print(f"fault: {fault}", file=sys.stderr)
    if given.log or not outcome.ok:
        print("\nThe server's log:\n" + "".join(outcome.log), file=sys.stderr)
    print("\nnothing lost, nothing mixed" if outcome.ok else "\nFAILED")
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
