"""Which packages that this process has imported were replaced since?

`pip install` replaces files of packages that are in use, and a running process keeps the modules
that it has loaded: only fresh processes load the new ones. The check is cheap: the times of the
folders into which packages are installed show whether one was added or removed. It waits until the
installing program is finished; then the list of a package's files shows whether one is loaded.
"""

from __future__ import annotations

import contextlib
import csv
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = get_logger("transfuse")

# How often it looks, and how long nothing must have changed for a program to be finished, in
# seconds.
_TURN = 2.0
_QUIET = 2.0
# How long to wait for the list of a package's files, which pip writes last, in seconds.
_UNLISTED = 60.0
# The suffix of the folder with a package's metadata -> the file in it that lists its files.
_METADATA = {".dist-info": "RECORD", ".egg-info": "installed-files.txt"}
# The names of folders for packages.
_FOLDERS = ("site-packages", "dist-packages")
# While pip replaces a package, it renames the former one to a name that begins with this.
_STASHED = "~"

# "numpy-2.0.0.dist-info" -> time, size and inode, which tell it from an earlier one of that name.
_Marks = dict[str, tuple[int, int, int]]


class Installed(NamedTuple):
    """A package that is another by now.

    Attributes:
        name: such as ``"numpy"``.
        before: the version that was there when this process began; None: none was.
        now: the version that is there; None: it was removed.
        is_loaded: whether this process has imported a module of it.
    """

    name: str
    before: str | None
    now: str | None
    is_loaded: bool

    @property
    def what(self) -> str:
        """The change, in words."""
        if self.now is None:
            return f"{self.name} {self.before} was removed"
        if self.before is None:
            return f"{self.name} {self.now} was installed"
        if self.before == self.now:
            return f"{self.name} {self.now} was installed again"
        return f"{self.name} {self.now} was installed in place of {self.before}"


class Packages:
    """Compares the installed packages with those at the start of this process.

    Args:
        folders: where packages are installed; default: those of `sys.path` that have some, or are
            have a name for such folders.
    """

    def __init__(self, folders: Sequence[str] | None = None) -> None:
        found = {folder: _marks(folder) for folder in (sys.path if folders is None else folders)}
        # Folder -> its packages when this process began.
        self._began = {
            folder: marks
            for folder, marks in found.items()
            if marks or os.path.basename(folder) in _FOLDERS
        }
        # The times of these folders at the last look, and since when they have been so.
        self._times = self._times_now()
        self._since = 0.0
        # Whether something has come or gone since the last comparison.
        self._changed = False

    def look(self, now: float) -> list[Installed] | None:
        """Look whether packages have come or gone.

        Args:
            now: the time, in seconds.

        Returns:
            The differences since this process began, when the installing program has become quiet;
            None: nothing has changed since the last look, or it is still at work.
        """
        times = self._times_now()
        if times != self._times:
            self._times, self._since, self._changed = times, now, True
        if not self._changed or now - self._since < _QUIET or self._is_under_way(now):
            return None
        self._changed = False
        return [each for folder in self._began for each in self._differing(folder)]

    def _times_now(self) -> list[int]:
        times = []
        for folder in self._began:
            with contextlib.suppress(OSError):
                times.append(os.stat(folder).st_mtime_ns)
        return times

    def _is_under_way(self, now: float) -> bool:
        for folder, began in self._began.items():
            names = _listed(folder)
            if any(name.startswith(_STASHED) for name in names):
                return True
            fresh = [name for name in names if name not in began and name.endswith(".dist-info")]
            listed = all(_list_of(folder, name) is not None for name in fresh)
            if not listed and now - self._since < _UNLISTED:
                return True
        return False

    def _differing(self, folder: str) -> list[Installed]:
        began, marks = self._began[folder], _marks(folder)
        before = {_named(name)[0]: _named(name)[1] for name in began}
        now = {_named(name)[0]: name for name in marks}
        fresh = {_named(name)[0]: name for name in marks if began.get(name) != marks[name]}
        # Beside an earlier version that was left there, too.
        now.update(fresh)
        removed = before.keys() - now.keys()
        # The lists of removed packages are gone.
        gone = bool(removed) and _loaded_files_are_gone(folder)
        found = []
        for name in sorted(fresh.keys() | removed):
            entry = now.get(name)
            is_loaded = gone if entry is None else _is_loaded(folder, entry)
            version = None if entry is None else _named(entry)[1]
            found.append(Installed(name, before.get(name), version, is_loaded))
        return found


def watch(heard: Callable[[list[Installed]], object]) -> None:
    """Start a daemon thread that compares, and calls `heard` with the differences."""
    packages = Packages()

    def run() -> None:
        while True:
            time.sleep(_TURN)  # these folders are not watched
            differing = packages.look(time.monotonic())
            if differing is not None:
                try:
                    heard(differing)
                except Exception:
                    _log.exception("packages were installed, and that could not be told")

    native.thread(target=run, name="transfuse-packages", daemon=True).start()


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def _marks(folder: str) -> _Marks:
    marks: _Marks = {}
    for name in _listed(folder):
        file = _METADATA.get(os.path.splitext(name)[1])
        if file is None or name.startswith(_STASHED):
            continue
        for path in (os.path.join(folder, name, file), os.path.join(folder, name)):
            with contextlib.suppress(OSError):
                found = os.stat(path)
                marks[name] = (found.st_mtime_ns, found.st_size, found.st_ino)
                break
    return marks


def _named(entry: str) -> tuple[str, str]:
    """Return name and version: ``("numpy", "2.0.0")`` of ``"numpy-2.0.0.dist-info"``."""
    name, _, version = os.path.splitext(entry)[0].partition("-")
    # Debian appends the version of Python.
    return name.replace("_", "-").lower(), version.partition("-py")[0]


def _list_of(folder: str, entry: str) -> list[str] | None:
    """Return the files of a package, relative to the folder; None if it does not list them."""
    base, file = os.path.join(folder, entry), _METADATA[os.path.splitext(entry)[1]]
    try:
        with open(os.path.join(base, file), encoding="utf-8", newline="") as rows:
            paths = [row[0] for row in csv.reader(rows) if row]
    except (OSError, ValueError):
        return None
    return paths if file == "RECORD" else [os.path.join(entry, path) for path in paths]


def _is_loaded(folder: str, entry: str) -> bool:
    listed = _list_of(folder, entry)
    if listed is None:
        # A package without a list may have any file.
        return True
    files = {os.path.normpath(os.path.join(folder, path)) for path in listed}
    return any(file in files for file in _loaded_files())


def _loaded_files_are_gone(folder: str) -> bool:
    inside = folder.rstrip("/") + "/"
    return any(file.startswith(inside) and not os.path.exists(file) for file in _loaded_files())


def _loaded_files() -> list[str]:
    """Return the files of all modules; without asking the modules, which may be lazy."""
    files = []
    for module in list(sys.modules.values()):
        if issubclass(type(module), ModuleType):
            with contextlib.suppress(AttributeError, TypeError):
                file = object.__getattribute__(module, "__dict__").get("__file__")
                if issubclass(type(file), str):
                    files.append(file)
    return files
