"""Which files wait for a restart, because their modules cannot change in a running process?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.errors import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfuse.updates.reports import Restart


# The packages that wait for a restart, because they were installed since. Replaced whole.
_packages: tuple[Restart, ...] = ()


def packages() -> tuple[Restart, ...]:
    """Return the packages that fresh processes would load, and this one has others of."""
    return _packages


def packages_wait(restart: Iterable[Restart]) -> None:
    """Note which packages wait; they replace those that were noted before."""
    global _packages  # noqa: PLW0603 - the packages of this process
    _packages = tuple(restart)


def held_back() -> list[str]:
    """Return the files whose former content is served until this process ends."""
    try:
        waiting = _core.status()["restart"]
    except NotInstalledError:
        return []
    return files_of(name for name, _, _ in waiting)


def files_of(names: Iterable[str]) -> list[str]:
    """Return the files of those of these modules that have one."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in names]
    return [file for file in files if isinstance(file, str)]
