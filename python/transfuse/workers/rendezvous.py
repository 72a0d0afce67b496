"""Which processes are the workers of one server, and where do they meet?

Those with the same parent, which is a process of the same program (gunicorn, Granian, uvicorn,
Apache), that see the same files in the same way. They meet in a folder that only this user may
enter, and whose name no other server ever has (`runtime.parent`). The process with the lock
``<n>.lock`` is the coordinator and listens at ``<n>.sock``; the file ``now`` has the number ``n``.
A lock ends with its process, so a dead coordinator is replaced. One that hangs keeps its lock, and
the workers that it does not answer go on with the next number. Each worker holds the lock ``alive``
with the others: a folder whose lock is free is removed.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.config import native
from transfuse.config.native import time
from transfuse.config.runtime_dir import own_directory
from transfuse.runtime import file_lock, long_path, peer
from transfuse.runtime.parent import name_of_parent

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from transfuse.config.settings import Settings

# How often a folder is made that another process removes at that moment.
_ATTEMPTS = 20


# The team of this process in a server that hands over, None in others: fresh processes do not
# switch together with those that they take over from.
_team: int | None = None


def join_team(team: int) -> None:
    """Meet only workers of the same team from now on."""
    global _team  # noqa: PLW0603 - a process is in one team
    _team = team


def is_in_team() -> bool:
    """Whether the server of this process hands over, and so has teams."""
    return _team is not None


class Rendezvous:
    """The place where the workers of this process's server meet."""

    def __init__(
        self, folder: Path, alive: int | None = None, base: Rendezvous | None = None
    ) -> None:
        self.folder = folder
        # The descriptor that keeps the folder; None once it is closed.
        self._alive = alive
        # The place of all workers of this server, if these meet apart from others.
        self._base = base

    def close(self) -> None:
        """Let the folder be removed, as far as this process is concerned."""
        alive, self._alive = self._alive, None
        if alive is not None:
            os.close(alive)
        if self._base is not None:
            self._base.close()

    @property
    def apart(self) -> int:
        """How often workers have begun to meet apart from those before them."""
        try:
            return int((self.folder / "apart").read_text())
        except (OSError, ValueError):
            return 0

    def part(self) -> None:
        """Have workers that start from now on meet apart from those that meet here."""
        base = self._base or self
        beside = base.folder / f"apart.{os.urandom(8).hex()}"
        number = 1 if self._base is None else int(self.folder.name.rpartition("-")[2]) + 1
        beside.write_text(str(number))
        beside.replace(base.folder / "apart")

    def number(self) -> int:
        """Return the number of the current coordinator."""
        try:
            return int((self.folder / "now").read_text())
        except (OSError, ValueError):
            return 0

    def distrust(self, number: int) -> None:
        """Go on with the next number, because that coordinator does not answer."""
        if self.number() == number:
            beside = self.folder / f"now.{os.urandom(8).hex()}"
            beside.write_text(str(number + 1))
            beside.replace(self.folder / "now")

    def connect(self, number: int) -> socket.socket | None:
        """Return a connection to that coordinator, or None."""
        end: socket.socket = native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM)
        try:
            end.settimeout(2.0)
            long_path.connect(end, self.folder / f"{number}.sock")
            if is_worker(end):
                return end
        except OSError:
            pass
        end.close()
        return None

    def find(self, patience: float) -> socket.socket | None:
        """Return a connection to the coordinator; wait so many seconds if there has been one."""
        deadline = time.monotonic() + patience
        while True:
            number = self.number()
            end = self.connect(number)
            there_was_one = number > 0 or (self.folder / f"{number}.sock").exists()
            if end is not None or not there_was_one or time.monotonic() > deadline:
                return end
            time.sleep(0.02)  # nothing signals a new coordinator: poll until the deadline

    def take(self, number: int) -> tuple[int, socket.socket, bool] | None:
        """Become the coordinator with that number, unless another process is.

        Returns:
            The lock (close it to give up), the listening socket, and whether there was a
            coordinator before; None if another process is the coordinator now.

        Raises:
            OSError: the folder is gone or full. Then there is no coordinator.
        """
        lock = file_lock.take(self.folder / f"{number}.lock")
        if lock is None:
            return None
        path = self.folder / f"{number}.sock"
        try:
            before = path.exists() or number > 0
            path.unlink(missing_ok=True)
            listener = _listener(path)
        except BaseException:
            # A lock without a socket would keep all others from becoming the coordinator.
            os.close(lock)
            raise
        return lock, listener, before


def _listener(path: Path) -> socket.socket:
    listener: socket.socket = native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM)
    try:
        long_path.bind(listener, path)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def ours(settings: Settings) -> Rendezvous | None:
    """Return where the workers of this process's server meet; None if it is no worker.

    Raises:
        OSError: it is one, but the folder cannot be made.
    """
    name = name_of_server(settings)
    if name is None:
        return None
    place = own_directory()
    _tidy(place)
    folder = place / (f"workers-{name}" if not _team else f"workers-{name}-{_team}")
    base = kept(folder)
    if not (number := base.apart):
        return base
    return kept(folder.with_name(f"{folder.name}-{number}"), base)


def name_of_server(settings: Settings) -> str | None:
    """Return what the workers of this process's server have in common; None if it is no worker."""
    parent = name_of_parent()
    if parent is None or not file_lock.AVAILABLE:
        return None
    # The settings that workers must share to agree: the live files, and watching.
    said = [settings.roots, settings.include, settings.exclude, settings.gitignore, settings.watch]
    return _core.digest(repr((parent, said)).encode())[:24]


def is_worker(end: socket.socket) -> bool:
    """Return whether the other end can be another worker: one of this user, and not out of sight.

    Raises:
        OSError: it is not connected.
    """
    found = peer.peer_of(end)
    return found is None or (found.uid == peer.own() and found.pid != 0)


def kept(folder: Path, base: Rendezvous | None = None) -> Rendezvous:
    """Make the folder, and have it kept as long as this process lives.

    Args:
        folder: where workers meet.
        base: where all workers of the server meet, if these meet apart from others.
    """
    for _ in range(_ATTEMPTS):
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / "alive"
        try:
            alive = file_lock.take(path, shared=True)
        except FileNotFoundError:
            continue  # removed just now
        if alive is not None and file_lock.is_of(alive, path):
            return Rendezvous(folder, alive, base)
        if alive is not None:
            os.close(alive)
        time.sleep(0.01)  # the process that removes it does not say when it has: tried again
    raise OSError(f"{folder} is removed again and again")


def _tidy(place: Path) -> None:
    """Remove the folders of servers that are gone."""
    for folder in place.glob("workers-*"):
        with contextlib.suppress(OSError):
            alive = file_lock.take(folder / "alive")
            if alive is not None:
                import shutil  # noqa: PLC0415 - it imports much, and there is seldom one

                try:
                    shutil.rmtree(folder)
                finally:
                    os.close(alive)
