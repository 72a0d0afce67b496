"""How does a process write what is served into a folder that several processes share?

The one with the lock of the folder writes. With each write goes a sign, a text for the state and
the processes that serve it, by which the others see that it is kept.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.last_served import places
from transfuse.runtime import file_lock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class KeptFolder:
    """A folder that keeps what is served.

    Attributes:
        path: of it, there or not.
        has_lock: whether this process writes it.
    """

    def __init__(self, path: Path, about: Sequence[str], limit: int, *, is_shared: bool) -> None:
        """Do nothing yet.

        Args:
            path: of the folder.
            about: lines for people who look into it.
            limit: how many bytes of contents are kept.
            is_shared: whether it is one of many that only this package writes, and looks after.
        """
        self.path = path
        self.has_lock = False
        self._about, self._limit, self._is_shared = about, limit, is_shared
        # The descriptor of the lock, and the store that it guards.
        self._lock: int | None = None
        self._store: _core.ServedStore | None = None

    def write(self, sign: str) -> bool:
        """Write what is served; return False if that is the task of another process.

        Raises:
            OSError: it cannot be written.
        """
        if not self._take():
            return False
        assert self._store is not None
        self._store.write()
        places.write(self.path / "written", sign)
        return True

    def release(self) -> None:
        """Let another process write."""
        lock, self._lock, self._store, self.has_lock = self._lock, None, None, False
        if lock is not None:
            os.close(lock)

    def drop(self) -> None:
        """Remove what is kept, if this process writes it."""
        if self.has_lock:
            places.empty(self.path)
        self.release()

    def signed(self) -> str:
        """Return the sign of the last write; empty if there is none."""
        with contextlib.suppress(OSError, ValueError):
            return (self.path / "written").read_text()
        return ""

    def _take(self) -> bool:
        """Get the lock of the folder, which is made if need be; return whether it is held."""
        path = self.path / "lock"
        if self._lock is not None and not file_lock.is_of(self._lock, path):
            self.release()  # the folder was removed
        if self._lock is None:
            places.make_private(self.path)
            lock = file_lock.take(path)
            if lock is None:
                return False
            if not file_lock.is_of(lock, path):
                os.close(lock)
                return False
            self._lock = lock
            self._store = _core.ServedStore(str(self.path), self._limit)
            self.has_lock = True
            places.write(self.path / "about", "".join(f"{line}\n" for line in self._about))
            places.sweep(self.path)
            if self._is_shared:
                places.tidy(self.path)
        return True
