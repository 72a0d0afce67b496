"""`python -m servers.storm`: many random steps, and what was lost by them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from servers.storm.storm import Storm, StormFailed


def main() -> int:
    """Do random steps to a server under load; end with 1 at the first that goes wrong."""
    parser = argparse.ArgumentParser(prog="python -m servers.storm", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="transfuse-storm-") as folder,
        tempfile.TemporaryDirectory(prefix="tf-") as runtime,
    ):
        storm = Storm(Path(folder).resolve(), Path(runtime), given.seed, given.workers)
        try:
            storm.run(given.steps)
        except StormFailed as error:
            print(error)
            return 1
        finally:
            print(storm.summary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
