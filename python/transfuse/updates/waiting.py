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


# What waits in the workers whose content this process began with. Replaced whole.
_in_others: tuple[Restart, ...] = ()


def in_others() -> tuple[Restart, ...]:
    """Return what waited in the other workers when this one began: fresh processes know of it."""
    return _in_others


def wait_in_others(told: Iterable[tuple[str, str, str, str | None]]) -> None:
    """Note what waits in the others, as `waiting` has it."""
    global _in_others  # noqa: PLW0603 - of this process's start
    _in_others = ()
    for name, code, what, _ in told:
        # Here and not above: most processes start without.
        from transfuse.updates.reports import Restart  # noqa: PLC0415

        _in_others += (Restart(name, code, what),)


def waiting() -> list[tuple[str, str, str, str | None]]:
    """Return the changes that wait: name, code, reason, and the module's file if it is a module."""
    try:
        found = _core.status()["restart"]
    except NotInstalledError:
        return []
    return [(name, code, what, next(iter(files_of([name])), None)) for name, code, what in found]


def held_back() -> list[str]:
    """Return the files whose former content is served until this process ends."""
    return [file for *_, file in waiting() if file is not None]


def files_of(names: Iterable[str]) -> list[str]:
    """Return the files of those of these modules that have one."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in names]
    return [file for file in files if isinstance(file, str)]
