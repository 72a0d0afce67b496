"""Which folder keeps the served state of a server?

In ``$XDG_STATE_HOME/transfuse/<name>-<digest>``, or below ``~/.local/state``. The name is that of
the project, for people. The digest is that of the live directories and of the program's label, such
as ``serve shop.web:app at http://127.0.0.1:8000``: the same server finds it again after a restart,
and two servers of one project do not share it. Its entries are looked up by path and content, so a
project whose folder was deleted and made anew does no harm.

Each folder has one writer, the process that holds its lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from transfuse.runtime import file_lock

if TYPE_CHECKING:
    from transfuse.config.settings import Settings

# The files in a folder: the core's, the lock, the last written generation, and the server.
_FILES = ("base", "delta", "lock", "written", "about")
# How many folders stay, of servers that run or do not.
_MOST = 32


def base() -> Path:
    """Return the folder of all of this user's servers.

    Raises:
        OSError: this user has no home.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    # The specification ignores relative paths.
    if os.path.isabs(named):
        return Path(named) / "transfuse"
    try:
        return Path.home() / ".local" / "state" / "transfuse"
    except RuntimeError as error:
        raise FileNotFoundError(str(error)) from None


def folder_of(settings: Settings, label: str) -> Path:
    """Return the folder of a server, there or not.

    Args:
        settings: its live directories, and the project's name.
        label: names the program and its address; the same after a restart.

    Raises:
        OSError: as `base`.
    """
    project = settings.origin.folder if settings.origin else Path(settings.roots[0])
    name = re.sub(r"[^\w.-]+", "-", project.name)[:40] or "project"
    said = repr((settings.roots, label))
    digest = hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()[:16]
    return base() / f"{name}-{digest}"


def make_private(folder: Path) -> None:
    """Make a folder that only this user may enter.

    Raises:
        OSError: it cannot be made, or is another user's.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    refuse_others(folder)


def refuse_others(folder: Path) -> None:
    """Raise PermissionError if this is not a folder of this user alone.

    Raises:
        OSError: there is none.
    """
    # Others may enter the one above, as systemd makes them, but must not put another in this place.
    for each, closed_to in ((folder.parent, 0o022), (folder, 0o077)):
        found = each.lstat()
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not is_own or found.st_mode & closed_to:
            raise PermissionError(f"{each} is not a folder of this user alone")


def write(path: Path, text: str) -> None:
    """Write a small file that only this user may read.

    Raises:
        OSError: that is impossible.
    """
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def is_kept(folder: Path) -> bool:
    """Whether something is kept in a folder."""
    return (folder / "written").exists()


def empty(folder: Path) -> None:
    """Remove what is kept in a folder, and leave its lock.

    Args:
        folder: whose lock this process has.
    """
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.name != "lock":
                each.unlink()


def sweep(folder: Path) -> None:
    """Remove the files of a process that was killed while it wrote.

    Args:
        folder: whose lock this process has.
    """
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.name not in _FILES:
                each.unlink()


def tidy(kept: Path) -> None:
    """Remove the folders that were not written to for longest, if there are too many."""

    def written(folder: Path) -> float:
        return max((each.stat().st_mtime for each in folder.iterdir()), default=0.0)

    with contextlib.suppress(OSError):
        others = [each for each in kept.parent.iterdir() if each != kept and each.is_dir()]
        others.sort(key=written, reverse=True)
        for folder in others[_MOST - 1 :]:
            lock = file_lock.take(folder / "lock")
            if lock is None:
                continue  # its server runs
            try:
                shutil.rmtree(folder)
            finally:
                os.close(lock)
