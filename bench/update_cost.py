"""Does the cost of an update follow the number of modules that run, or the size of the application?

Two applications, of 200 and of 2,000 modules, each in a process of its own. In turns, one leaf of
each is saved and `transfuse.update()` is timed: until it returns, once with the files being watched
and once without, when the update has to look at every file by itself.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import transfuse
from bench.application import CONCERNED, LEAF, MAIN, leaf_source, write_application

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from transfuse import Report

SIZES = (200, 2000)
# How long an application may take, in seconds.
CAP = 60.0


class Cost(NamedTuple):
    """What an update cost: in seconds, and in modules that were run."""

    seconds: float
    ran: int


class Application:
    """A generated application in a process of its own."""

    def __init__(self, modules: int, *, watch: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, modules, watch), daemon=True)
        self._process.start()
        there.close()

    def edit(self) -> Cost:
        """Save the leaf and update."""
        self._here.send("edit")
        if not self._here.poll(CAP):
            raise TimeoutError(f"no update after {CAP} s")
        cost: Cost = self._here.recv()
        return cost

    def close(self) -> None:
        """End the process."""
        self._here.close()
        self._process.join(CAP)


def _serve(there: Connection, modules: int, watch: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="transfuse-bench-") as folder:
        root = Path(folder).resolve()
        write_application(root, modules)
        transfuse.install(roots=[root], watch=watch)
        transfuse.import_module(MAIN)
        loaded = transfuse.status().modules
        assert loaded == modules, f"{loaded} modules are loaded, not {modules}"
        published: list[Report] = []
        transfuse.on_update(published.append)
        value = 0
        while True:
            try:
                there.recv()
            except EOFError:
                return
            value += 1
            (root / "app" / "leaf.py").write_text(leaf_source(value))
            there.send(_update(value, published))


def _update(value: int, published: list[Report]) -> Cost:
    published.clear()
    began = time.perf_counter()
    # Where the files are watched, the update may have begun by itself.
    transfuse.update(CAP)
    seconds = time.perf_counter() - began
    assert value == transfuse.import_module(LEAF).VALUE
    return Cost(seconds, sum(len(report.ran) for report in published))


def measure(rounds: int, *, watch: bool) -> dict[int, list[Cost]]:
    """Return what each update cost, for each size."""
    applications = {size: Application(size, watch=watch) for size in SIZES}
    costs: dict[int, list[Cost]] = {size: [] for size in SIZES}
    for application in applications.values():
        application.edit()  # the first one warms up
    for _ in range(rounds):
        for size, application in applications.items():
            costs[size].append(application.edit())
    for application in applications.values():
        application.close()
    return costs


def main() -> None:
    """Measure, and print medians and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m bench.update_cost", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="updates of each application")
    rounds = parser.parse_args().rounds
    print(f"update() of one leaf with {len(CONCERNED) - 1} above it, {rounds} times in turns")
    for watch in (True, False):
        print("files watched" if watch else "files not watched")
        costs = measure(rounds, watch=watch)
        medians = {}
        for size in SIZES:
            times = sorted(cost.seconds * 1000 for cost in costs[size])
            medians[size] = statistics.median(times)
            ran = ", ".join(str(each) for each in sorted({cost.ran for cost in costs[size]}))
            print(
                f"  {size:>5} modules: ran {ran}; median {medians[size]:.2f} ms,"
                f" fastest {times[0]:.2f}, slowest {times[-1]:.2f}"
            )
        print(f"  ratio of the medians {medians[SIZES[1]] / medians[SIZES[0]]:.2f}")


if __name__ == "__main__":
    main()
