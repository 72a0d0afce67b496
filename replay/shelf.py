"""Where do releases lie, and how does one take the place of another?

Wheels are fetched by pip once and kept, unpacked. A root takes the files of the next release as
`rsync --delete` would bring them (what is the same is not touched, what is gone is deleted), or it
is a link that is turned to the folder of the next release.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# How long pip may take, in seconds.
_CAP = 300.0


class ShelfError(Exception):
    """A release could not be fetched."""


def release(shelf: Path, name: str, version: str) -> Path:
    """Return the folder with the unpacked wheel, downloaded if need be."""
    target = shelf / f"{name}-{version}"
    if target.exists():
        return target
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    words = [*pip, "--disable-pip-version-check", "--dest", str(part), f"{name}=={version}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_CAP, check=False)
    if done.returncode:
        raise ShelfError(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    (wheel,) = part.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(part)
    wheel.unlink()
    part.rename(target)
    return target


def lay(source: Path, probe: Path, root: Path) -> None:
    """Make `root` hold the files of `source` and the probe, and nothing else."""
    wanted = {path.relative_to(source): path for path in source.rglob("*") if path.is_file()}
    wanted[probe.relative_to(probe.parent)] = probe
    for place, path in wanted.items():
        content = path.read_bytes()
        target = root / place
        if not (target.is_file() and target.read_bytes() == content):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    # The deepest first, so that a folder is empty when its turn comes.
    for path in sorted(root.rglob("*"), reverse=True):
        if "__pycache__" in path.parts:
            continue
        if path.is_file() and path.relative_to(root) not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def flip(source: Path, probe: Path, root: Path) -> None:
    """Put the release into a folder of its own, and turn the link `root` to it at one stroke."""
    target = root.with_name(source.name)
    lay(source, probe, target)
    link = root.with_name("next")
    link.symlink_to(target.name)
    link.replace(root)


def modules(source: Path, packages: tuple[str, ...]) -> set[str]:
    """Return the names of all modules of a release, but those that are run, not imported."""
    found = set()
    for top in packages:
        for path in (source / top).rglob("*.py"):
            parts = path.relative_to(source).with_suffix("").parts
            if parts[-1] != "__main__":
                found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found
