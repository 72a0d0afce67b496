"""Which project does a process belong to, and which a folder?

A project is the folder of the nearest `pyproject.toml`, upward. A path says it only in the tree of
files of one container, so each folder is noted with its device and inode as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from transfuse.config.settings import find_project

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfuse.config.settings import Settings

# A path, its device and its inode, such as ("/srv/shop", 2049, 1311).
Folder = tuple[str, int, int]


def project_of(folder: Path) -> Path:
    """Return the project that a folder is in: where the `pyproject.toml` is, or the folder."""
    file = find_project(folder)
    return folder if file is None else file.parent


def places_of(settings: Settings | None) -> list[Folder]:
    """Return the folders in which a command means a process with these settings.

    The first is shown as its project. Where settings name no project, because there is no
    `pyproject.toml`, that is the folder in which the process was started, if a root is in it, and
    else that of its first root.
    """
    origin = None if settings is None else settings.origin
    start = Path.cwd() if origin is None else origin.start
    if origin is not None and origin.project.is_file():
        return folders([origin.folder])
    roots = [] if settings is None else [Path(os.path.realpath(each)) for each in settings.roots]
    of_roots = [project_of(root) for root in roots]
    inside = not roots or any(start in (root, *root.parents) for root in roots)
    # Services are started in `/`, which is no project for being above all others.
    first = [start] if inside and start != Path(start.anchor) else []
    return folders([*first, *of_roots, start])


def folders(paths: Iterable[str | os.PathLike[str]]) -> list[Folder]:
    """Return each folder once, with its device and inode; 0 and 0 if it does not exist."""
    found: list[Folder] = []
    for path in dict.fromkeys(os.fspath(each) for each in paths):
        try:
            status = os.stat(path)
            found.append((path, status.st_dev, status.st_ino))
        except OSError:
            found.append((path, 0, 0))
    return found


def is_one_of(folder: Path, among: Iterable[Folder], *, same_tree: bool) -> bool:
    """Return whether a folder is one of others.

    Args:
        folder: with no link in its path.
        among: the others.
        same_tree: whether their paths are those of the tree of files of this process. If not, a
            path may lead to another folder here, and the inode decides alone.
    """
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
    except OSError:
        identity = None
    return any(
        (device, inode) == identity or (same_tree and os.path.realpath(path) == str(folder))
        for path, device, inode in among
    )
