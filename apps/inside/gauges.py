"""How much CPU and memory has this process used so far?"""

from __future__ import annotations

import gc
import os
from pathlib import Path


def cpu() -> float:
    """Return the seconds of CPU of all threads, and of child processes that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def resident() -> int:
    """Return the resident memory in KiB, after a full garbage collection."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 10
