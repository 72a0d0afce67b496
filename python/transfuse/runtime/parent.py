"""Which process started this one?

Its process id says so only as long as it runs, and only in its own container. With the moment at
which it was started, and the container, it is a name that no other process ever has.
"""

from __future__ import annotations

import os

from transfuse.runtime import namespaces

# In /proc/<pid>/stat, after the closing parenthesis of the name: the state, and the moment at which
# the process was started, in ticks since the kernel was.
_STATE, _PARENT, _STARTED = 0, 1, 19


def name_of_parent() -> tuple[str, ...] | None:
    """Return the name of the process that started this one, if it is one of the same program.

    A sample: ``("8f1c…", "pid:[4026531836]", "4242", "100817")``. None for a shell, for instance.
    """
    parent = os.getppid()
    if not _same_program(parent):
        return None
    return (namespaces.boot(), namespaces.of_pids(), str(parent), _stat(parent, _STARTED))


def state_of(pid: int) -> str:
    """Return the state of a process as the system has it, such as ``"T"`` (stopped), or ``""``."""
    return _stat(pid, _STATE)


def parent_of(pid: int) -> str:
    """Return the process id of the process that started another one, or ``""``."""
    return _stat(pid, _PARENT)


def age(pid: int) -> float | None:
    """Return for how many seconds a process has been running; None if the system does not tell."""
    try:
        up = float(_read("/proc/uptime").split()[0])
        return up - int(_stat(pid, _STARTED)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _same_program(parent: int) -> bool:
    try:
        return os.readlink(f"/proc/{parent}/exe") == os.readlink("/proc/self/exe")
    except PermissionError:
        # A parent of another user, such as root's Apache, does not say which file it runs.
        return _said(parent, "comm") == _said(os.getpid(), "comm") != ""
    except OSError:
        return False


def _stat(pid: int, field: int) -> str:
    fields = _said(pid, "stat").rpartition(")")[2].split()
    return fields[field] if field < len(fields) else ""


def _said(pid: int, what: str) -> str:
    return _read(f"/proc/{pid}/{what}")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
