"""Where do source distributions and environments lie?

In a folder of the user's cache, so that a fresh clone finds what another one has downloaded. Each
application has an environment of its own, with the versions that `constraints` pins.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.description import App, Release

CONSTRAINTS = Path(__file__).resolve().parent / "constraints"
# The longest that pip is waited for, in seconds.
_CAP = 1800.0


class PlaceError(Exception):
    """Something could not be fetched or installed."""


def cache() -> Path:
    """Return the default folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "transfuse" / "apps"


class Place:
    """A folder, kept between runs, with what was downloaded and an environment for each app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self, app: App, release: Release) -> Path:
        """Return the unpacked source distribution, downloaded if need be."""
        target = self.folder / "sources" / f"{app.name}-{release.version}"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                with tarfile.open(self._archive(app, release, Path(scratch))) as opened:
                    opened.extractall(f"{scratch}/unpacked", filter="data")
                (unpacked,) = Path(scratch, "unpacked").iterdir()
                unpacked.rename(target)
        return target

    def python(self, app: App) -> Path:
        """Return an interpreter that has the application's metadata and what it needs."""
        target = self.folder / "environments" / app.name
        constraints = CONSTRAINTS / f"{app.name}.txt"
        extra = f"[{app.extra}]" if app.extra else ""
        wanted = [f"{app.name}{extra}=={app.release.version}", *app.needs]
        pinned = constraints.read_text() if constraints.exists() else ""
        made = target / "made-with"
        key = "\n".join((sys.version, *wanted, pinned))
        python = target / "bin" / "python"
        if not (made.exists() and made.read_text() == key):
            shutil.rmtree(target, ignore_errors=True)
            venv.create(target, with_pip=True)
            flags = ["-c", constraints] if pinned else []
            _run([python, "-m", "pip", "install", "-q", *flags, *wanted])
            made.write_text(key)
        return python

    def pin(self, app: App) -> Path:
        """Write the application's constraints anew, from what pip installs today."""
        constraints = CONSTRAINTS / f"{app.name}.txt"
        constraints.unlink(missing_ok=True)
        frozen = _run([self.python(app), "-m", "pip", "freeze"]).splitlines()
        own = app.name.replace("-", "_").lower()
        others = [line for line in frozen if line.lower().replace("-", "_").split("==")[0] != own]
        constraints.write_text("\n".join(others) + "\n")
        return constraints

    def _archive(self, app: App, release: Release, folder: Path) -> Path:
        """Download a distribution; pip and we refuse one with another digest."""
        wanted = folder / "requirements.txt"
        line = f"{app.name}=={release.version} --hash=sha256:{release.digest}"
        wanted.write_text(f"{line}\n")
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
        _run([*pip, "--no-binary", app.name, "-r", wanted])
        (archive,) = folder.glob("*.tar.gz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != release.digest:
            raise PlaceError(f"{archive.name} has the digest {found}, not {release.digest}")
        return archive


def _run(command: Iterable[object]) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_CAP, check=False)
    if done.returncode:
        raise PlaceError(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
