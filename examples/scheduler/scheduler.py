"""APScheduler: what is scheduled is looked up anew each time that it runs.

    transfuse run examples/scheduler/scheduler.py

A job store in memory would keep a plain function, or one that is named as "reports:hourly", as it
was when the job was added. `transfuse.live` stands for whatever has that name at the time.
"""

from __future__ import annotations

import sys
import threading

from apscheduler.schedulers.background import BackgroundScheduler

import transfuse


def main(every: float = 1.0) -> None:
    """Report every so many seconds, until it is interrupted."""
    scheduler = BackgroundScheduler()
    scheduler.add_job(transfuse.live("reports:hourly"), "interval", seconds=every)
    scheduler.start()
    try:
        # The scheduler has threads of its own; this one only waits for Ctrl-C.
        threading.Event().wait()
    except KeyboardInterrupt:
        scheduler.shutdown()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
