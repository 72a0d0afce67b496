"""A change of many files, from its beginning to its end.

A program that writes many files over a while says so, and no update is made from a part of them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.errors import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Iterator

# After so many seconds a hold ends by itself: the program that began it may be gone.
LIMIT = 600.0


@contextlib.contextmanager
def hold(seconds: float = LIMIT) -> Iterator[None]:
    """Make no automatic update while the block runs. All changes in it are one update.

    `update()` updates all the same. Holds may be nested.

    Args:
        seconds: after these the hold ends in any case, and a warning is logged.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """
    number = begin(seconds)
    try:
        yield
    finally:
        # Transfuse may have been uninstalled meanwhile.
        if _core.installed():
            _core.release(number)


def begin(seconds: float = LIMIT) -> int:
    """Make no update by itself from now on, and return the number of this hold."""
    if not _core.installed():
        raise NotInstalledError
    return _core.hold(seconds)


def release() -> int:
    """End all holds of this process, and return how many there were."""
    if not _core.installed():
        raise NotInstalledError
    return _core.release(None)
