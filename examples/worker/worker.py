"""A worker loop: every line that comes in is a job, and every job sees one generation.

    transfuse run examples/worker/worker.py

The loop itself never ends, so it is never new code: it stays small, and asks for what it calls
anew each time. What it calls stands in `jobs`.
"""

from __future__ import annotations

import queue
import sys
import threading

import transfuse

waiting: queue.Queue[str | None] = queue.Queue()


def read() -> None:
    """Put lines into the queue, and None when there are no more."""
    for line in sys.stdin:
        waiting.put(line.strip())
    waiting.put(None)


def main() -> None:
    """Do one job after the other."""
    begin = transfuse.live("jobs:begin")
    finish = transfuse.live("jobs:finish")
    threading.Thread(target=read, daemon=True).start()
    number = 0
    while (line := waiting.get()) is not None:
        number += 1
        # Both calls are of one generation, also if an edit is saved between them.
        with transfuse.pin(f"job {number}"):
            begun = begin(line)
            print(finish(number, begun), flush=True)


if __name__ == "__main__":
    main()
