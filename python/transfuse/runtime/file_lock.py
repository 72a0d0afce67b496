"""A lock on a file that ends with the process that holds it.

However a process ends, the system releases its locks; so a file whose lock is held belongs to a
process that lives, also if that is stopped, busy, or in another container.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system
    fcntl = None  # type: ignore[assignment]

AVAILABLE = fcntl is not None
# Opening a pipe that was left there must not wait for its other end.
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def take(path: Path, *, shared: bool = False) -> int | None:
    """Take the lock of a file, which is made if need be.

    The descriptor is not inherited by other programs; a forked child has to close it.

    Args:
        path: the file.
        shared: whether others may hold the lock in the same way.

    Returns:
        A descriptor; closing it releases the lock. None if another process holds the lock.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_of(descriptor: int, path: Path) -> bool:
    """Return whether that path still leads to the file that was opened."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    return False


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of a file alone; False if there is no such file.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two processes that look at the same moment do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
