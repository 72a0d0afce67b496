"""The files: source distributions, and an interpreter with the requirements of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import venv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packages.table import Package

# The requirements of every suite.
_ALWAYS = ("pytest", "click", "rich")
# How long pip may take, in seconds.
_CAP = 900.0


class PlaceError(Exception):
    """Something could not be fetched or installed."""


class Place:
    """A folder, kept between runs, with what was downloaded and an environment for each package."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder = folder
        self.project = project

    def source(self, package: Package) -> Path:
        """Return the unpacked source distribution, downloaded if need be."""
        target = self.folder / "sources" / f"{package.name}-{package.version}"
        if not target.exists():
            archive = self._archive(package)
            with tarfile.open(archive) as opened:
                opened.extractall(target.with_suffix(".part"), filter="data")
            (unpacked,) = target.with_suffix(".part").iterdir()
            unpacked.rename(target)
            shutil.rmtree(target.with_suffix(".part"))
        return target

    def python(self, package: Package) -> Path:
        """Return an interpreter that has the package's metadata, what its tests need, and us."""
        target = self.folder / "environments" / package.name
        python = target / "bin" / "python"
        wanted = " ".join((*_ALWAYS, f"{package.name}=={package.version}", *package.needs))
        made = target / "made-with"
        if not (made.exists() and made.read_text() == wanted):
            shutil.rmtree(target, ignore_errors=True)
            venv.create(target, with_pip=True)
            _run([python, "-m", "pip", "install", "-q", *wanted.split()])
            (site,) = target.glob("lib/python*/site-packages")
            # As it was built for this interpreter.
            (site / "transfuse.pth").write_text(f"{self.project / 'python'}\n")
            made.write_text(wanted)
        return python

    def _archive(self, package: Package) -> Path:
        downloads = self.folder / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        found = _archives(downloads, package)
        if not found:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(downloads)]
            pip += ["--no-binary", package.name, f"{package.name}=={package.version}"]
            _run(pip)
            found = _archives(downloads, package)
        return found[0]


def _archives(folder: Path, package: Package) -> list[Path]:
    names = {package.name, package.name.replace("-", "_")}
    return [
        path
        for path in folder.glob("*.tar.gz")
        if path.name.lower() in {f"{name}-{package.version}.tar.gz" for name in names}
    ]


def _run(command: Iterable[object]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_CAP, check=False)
    if done.returncode:
        raise PlaceError(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
