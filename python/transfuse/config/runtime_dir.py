"""The directory in which processes of one user find each other.

It is ``<runtime dir>/transfuse-<uid>``, a directory that only its user may enter. The runtime
directory is ``$XDG_RUNTIME_DIR`` if there is one, else the one for temporary files.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def directory() -> Path:
    """Return where the sockets of this user's processes are."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    # Services and `sudo` hand on the name of a folder that is not there, or not theirs.
    if not (base and os.access(base, os.W_OK | os.X_OK)):
        base = _temporary()
    return Path(base) / f"transfuse-{os.getuid()}"


def _temporary() -> str:
    """Return the folder for temporary files: that of `tempfile`, which imports much."""
    named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    places = [os.path.abspath(each) for each in named if each] + ["/tmp", "/var/tmp", "/usr/tmp"]
    usable = (each for each in places if os.path.isdir(each) and os.access(each, os.W_OK | os.X_OK))
    return next(usable, os.getcwd())


def own_directory() -> Path:
    """Return that directory, made if need be.

    Raises:
        OSError: it cannot be made, or is not this user's alone.
        AttributeError: this system does not know of such users.
    """
    place = directory()
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{place} is not a directory of this user alone")
    return place
