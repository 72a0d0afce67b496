"""Which processes of this user can be asked, and which of them live?

Each has a random name and three files in a folder that only its user may enter:

- ``<name>.lock``, whose lock it holds as long as it lives, whatever it is busy with;
- ``<name>.json``, its `Card`: its description, without asking it;
- ``<name>.sock``, at which it answers.

Files are removed only if the lock is free. Process ids name nothing here, because two containers
may share the folder.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.config.native import json
from transfuse.config.runtime_dir import own_directory
from transfuse.control.places import Folder, folders, is_one_of, places_of
from transfuse.runtime import file_lock, namespaces

if TYPE_CHECKING:
    from pathlib import Path

    from transfuse.config.settings import Settings

_SUFFIXES = (".sock", ".json", ".lock")
# The longest card that is read, in characters.
_LONGEST = 1 << 20


class Card(NamedTuple):
    """The description of a process, which others read without asking it.

    Attributes:
        name: random, such as ``"5f0c6d1e9b7a4432"``.
        pid: its process id, in its container.
        parent: that of the process that started it.
        pids, paths: the namespaces in which these ids and the paths below are valid.
        process: a description, such as ``"serve shop.web:app"``.
        started: when it began to answer, in seconds since the epoch.
        places: the folders in which a command means this process; the first is its project.
        roots: the folders of its live source.
        server: the same for all workers of one server.
    """

    name: str
    pid: int
    parent: int
    pids: str
    paths: str
    process: str
    started: float
    places: tuple[Folder, ...]
    roots: tuple[Folder, ...]
    server: str

    @property
    def project(self) -> str:
        """The folder of its project."""
        return self.places[0][0]

    @property
    def is_near(self) -> bool:
        """Whether its process ids are those of this process."""
        return self.pids == namespaces.of_pids()

    def is_of(self, project: Path) -> bool:
        """Return whether a command in that project means this process.

        Args:
            project: as `places.project_of` returns it, with no link in its path. If it has no
                `pyproject.toml`, it may also be a folder in a root.
        """
        same_tree = self.paths == namespaces.of_paths()
        if is_one_of(project, self.places, same_tree=same_tree):
            return True
        if (project / "pyproject.toml").is_file():
            return False
        above = (project, *project.parents)
        return any(is_one_of(each, self.roots, same_tree=same_tree) for each in above)


@dataclass
class Presence:
    """The files of this process.

    Attributes:
        folder: where they are.
        card: as it was last written.
        pid: the process that holds the lock; a forked child has another id.
    """

    folder: Path
    card: Card
    pid: int
    _lock: int

    @property
    def socket(self) -> Path:
        """Where this process answers."""
        return self.folder / f"{self.card.name}.sock"

    def write(self, card: Card) -> None:
        """Replace the card."""
        _write(self.folder, card)
        self.card = card

    def leave(self) -> None:
        """Remove the files, and let go of the lock; a forked child only does the latter."""
        if self.pid == os.getpid():
            remove(self.folder, self.card.name)
        os.close(self._lock)


def enter(process: str, started: float, settings: Settings | None, server: str | None) -> Presence:
    """Write the card of this process, and lock it.

    Args:
        process: its description.
        started: when it began.
        settings: the installed ones, if it is installed.
        server: a key that the workers of its server share; None if there are no others.

    Raises:
        OSError: the folder cannot be used.
        AttributeError: this system has no such users or locks.
    """
    folder = own_directory()
    name = os.urandom(8).hex()
    found = places_of(settings)
    card = Card(
        name=name,
        pid=os.getpid(),
        parent=os.getppid(),
        pids=namespaces.of_pids(),
        paths=namespaces.of_paths(),
        process=process,
        started=started,
        places=tuple(found),
        roots=tuple(folders(() if settings is None else settings.roots)),
        server=server or name,
    )
    # Under its own name only once it is locked: before, it would be taken for that of a dead one.
    beside = folder / f"{name}.new"
    lock = file_lock.take(beside)
    assert lock is not None, "a random name is taken"
    try:
        _write(folder, card)
        beside.replace(folder / f"{name}.lock")
    except BaseException:
        os.close(lock)
        beside.unlink(missing_ok=True)
        raise
    return Presence(folder, card, os.getpid(), lock)


def cards() -> list[tuple[Card, Path]]:
    """Return the cards of all processes that live, with their sockets; remove those of dead ones.

    The order is that in which they began.
    """
    found: list[tuple[Card, Path]] = []
    try:
        folder = own_directory()
        locks = list(folder.glob("*.lock"))
    except (OSError, AttributeError):
        return []
    for path in locks:
        try:
            if not file_lock.is_held(path):
                remove(folder, path.stem)
                continue
            card = _read(folder / f"{path.stem}.json")
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue  # no file of ours
        if card.name == path.stem:
            found.append((card, folder / f"{card.name}.sock"))
    return sorted(found, key=lambda each: (each[0].started, each[0].pid))


def remove(folder: Path, name: str) -> None:
    """Remove the files of a process; the lock comes last, because it is what is looked for."""
    for suffix in _SUFFIXES:
        with contextlib.suppress(OSError):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)


def _write(folder: Path, card: Card) -> None:
    beside = folder / f"{card.name}.card"
    beside.write_text(json.dumps(card._asdict()), encoding="utf-8")
    beside.replace(folder / f"{card.name}.json")


def _read(path: Path) -> Card:
    # Opening a pipe that was left there must not wait for its other end.
    with open(path, encoding="utf-8", opener=_open) as file:
        values: dict[str, Any] = json.loads(file.read(_LONGEST))
    for key in ("places", "roots"):
        values[key] = tuple((str(at), int(device), int(inode)) for at, device, inode in values[key])
    card = Card(**values)
    texts = (card.name, card.pids, card.paths, card.process, card.server)
    numbers = (card.pid, card.parent, card.started)
    if not all(isinstance(each, str) for each in texts) or not card.places:
        raise ValueError("not a card")
    if not all(isinstance(each, (int, float)) for each in numbers):
        raise ValueError("not a card")
    return card


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
