"""Where does a process id or a path have its meaning?

A container has process ids and a tree of files of its own. Linux names both by the inode of a
*namespace*, which no other namespace has while one process is in it.
"""

from __future__ import annotations

import os


def of_pids() -> str:
    """Return the name of this process's process ids, such as ``"pid:[4026531836]"``; or ``""``."""
    return _named("pid")


def of_paths() -> str:
    """Return the name of its tree of files, such as ``"mnt:[4026531841]"``; or ``""``."""
    return _named("mnt")


def boot() -> str:
    """Return what tells this run of the kernel from all others; ``""`` if the system has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def _named(kind: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return ""
