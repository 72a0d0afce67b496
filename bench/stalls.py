"""Do updates make callers wait?

`python -m bench.stalls`: threads call through a chain of modules, while no file is saved, and while
every module of the chain is saved again and again. How long did the slowest units of work take?

Ends with 1 if updates make callers wait: if in each of several rounds more units of work take over
100 ms with updates than without, or the slowest takes twice as long and over 100 ms. A machine that
is busy with something else stalls both, which a single round does not tell.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import transfuse

THREADS = 4
LINKS = 8
LONG = 0.1


def _save(root: Path, version: int) -> None:
    for link in range(LINKS):
        following = f"    from bench_chain{link - 1} import ask\n    ask()\n" if link else ""
        source = f"VERSION = {version}\ndef ask():\n{following}    return VERSION\n"
        Path(root, f"bench_chain{link}.py").write_text(source)


def _work(until: float, took: list[float]) -> None:
    while (begun := time.perf_counter()) < until:
        with transfuse.pin():
            transfuse.import_module(f"bench_chain{LINKS - 1}").ask()
        took.append(time.perf_counter() - begun)


class Took(NamedTuple):
    """The slow ones of a run.

    Attributes:
        slow: how many units of work took over 100 ms.
        slowest: what the slowest took, in seconds.
    """

    slow: int
    slowest: float


def _run(root: Path, seconds: float, *, updates: bool) -> Took:
    """Let the threads work, and print how long units of work took."""
    until = time.perf_counter() + seconds
    all_took: list[list[float]] = [[] for _ in range(THREADS)]
    threads = [threading.Thread(target=_work, args=(until, took)) for took in all_took]
    for thread in threads:
        thread.start()
    count = 0
    while updates and time.perf_counter() < until:
        count += 1
        _save(root, count)
        transfuse.update().check()
    for thread in threads:
        thread.join()
    took = sorted(each for one in all_took for each in one)
    slow = sum(each > LONG for each in took)
    print(
        f"  {count:>5} updates: {len(took):>8} units of work, median "
        f"{statistics.median(took) * 1e6:.0f} us, slowest {took[-1] * 1e3:.1f} ms,"
        f" {slow} over {LONG * 1e3:.0f} ms"
    )
    return Took(slow, took[-1])


def _stalls(without: Took, updates: Took) -> bool:
    slower = updates.slowest > max(LONG, 2 * without.slowest)
    return updates.slow > without.slow or slower


def main() -> int:
    """Measure without and with updates, in turns."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalls", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    seconds, rounds = given.seconds, given.rounds
    sys.setswitchinterval(0.001)
    with tempfile.TemporaryDirectory(prefix="transfuse-bench-") as folder:
        root = Path(folder).resolve()
        _save(root, 0)
        transfuse.install(roots=[root], watch=False, policy="fresh", keep=1)
        print(f"{THREADS} threads, {seconds:.0f} s each")
        stalled = 0
        for _ in range(rounds):
            without = _run(root, seconds, updates=False)
            stalled += _stalls(without, _run(root, seconds, updates=True))
        transfuse.uninstall()
    print(f"updates made callers wait in {stalled} of {rounds} rounds")
    return 1 if stalled == rounds else 0


if __name__ == "__main__":
    sys.exit(main())
