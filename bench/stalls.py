"""Do updates make anybody wait?

`python -m bench.stalls`: threads call through a chain of modules, while nobody saves, and while
every module of the chain is saved again and again. How long did the slowest units of work take?
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

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


def _round(root: Path, seconds: float, *, updates: bool) -> int:
    """Let the threads work, and print how long units of work took; return the updates made."""
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
    return count


def main() -> None:
    """Measure without and with updates, in turns."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalls", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    sys.setswitchinterval(0.001)
    with tempfile.TemporaryDirectory(prefix="transfuse-bench-") as folder:
        root = Path(folder).resolve()
        _save(root, 0)
        transfuse.install(roots=[root], watch=False, policy="fresh", keep=1)
        print(f"{THREADS} threads, {seconds:.0f} s each")
        for _ in range(2):
            _round(root, seconds, updates=False)
            _round(root, seconds, updates=True)
        transfuse.uninstall()


if __name__ == "__main__":
    main()
