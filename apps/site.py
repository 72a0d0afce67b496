"""The copy of an application that is edited, and how edits and releases get into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.description import App, Edit
    from apps.place import Place

_OWN = Path(__file__).resolve().parent
PROJECT = _OWN.parent
# The longest that an application's preparation is waited for, in seconds.
_CAP = 1200.0


class SiteError(Exception):
    """The description of an application does not fit its source."""


class Site:
    """An application's root, its data, and the environment of its processes.

    Args:
        scratch: an empty folder, whose path is the same in all runs of one invocation.
    """

    def __init__(self, app: App, place: Place, scratch: Path) -> None:
        self.app = app
        self.root = scratch / "root"
        self.log = scratch / "log.txt"
        self.python = place.python(app)
        self._scratch = scratch
        self._source = place.source(app, app.release) / app.root
        self._next = place.source(app, app.following) / app.root if app.following else None
        self._entries = sorted((_OWN / "entries").glob(f"{app.entry}*.py"))
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in self._entries)).hexdigest()
        prepared = place.folder / "prepared"
        prepared.mkdir(parents=True, exist_ok=True)
        # Kept between runs: the migrations of some applications take minutes.
        self._prepared = prepared / f"{app.name}-{app.release.version}-{digest[:12]}"
        shutil.copytree(_OWN / "inside", scratch / "tool" / "transfuse_apps")

    def reset(self) -> None:
        """Make root and data as they were before any edit."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._source, self.root)
        for path in self._entries:
            shutil.copy(path, self.root)
        if not self._prepared.exists():
            self._prepare()
        for live in (False, True):
            shutil.rmtree(self._data(live), ignore_errors=True)
            shutil.copytree(self._prepared, self._data(live))

    def _prepare(self) -> None:
        """Run the application's entry as a script, to fill a folder of data, if it does that."""
        data = self._data(False)
        data.mkdir()
        if self.app.prepare:
            with self.log.open("w") as log:
                done = subprocess.run(
                    [self.python, f"{self.app.entry}.py"],
                    cwd=self.root,
                    env=self.environment(live=False),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=_CAP,
                    check=False,
                )
            if done.returncode:
                end = self.log.read_text(errors="replace")[-2000:]
                raise SiteError(f"{self.app.entry}.py failed:\n{end}")
        part = self._prepared.with_name(f"{self._prepared.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        # The cache may lie on another file system.
        shutil.move(data, part)
        part.rename(self._prepared)

    def _data(self, live: bool) -> Path:
        # Each kind has its own, so that what requests leave behind meets the same number of rounds.
        return self._scratch / ("data-live" if live else "data-plain")

    def environment(self, *, live: bool) -> dict[str, str]:
        """Return the environment of a process."""
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTHON", "TRANSFUSE", "VIRTUAL_ENV"))
        }
        tool, data = str(self._scratch / "tool"), str(self._data(live))
        return {
            **inherited,
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([tool, str(PROJECT / "python")] if live else [tool]),
            # Both write checked caches of bytecode, but not the same kind of them.
            "PYTHONPYCACHEPREFIX": str(self._scratch / ("live" if live else "plain")),
            "APP_DATA": data,
            **{key: value.replace("{data}", data) for key, value in self.app.environment},
        }

    def read(self, path: str) -> str:
        """Return a file's text."""
        return (self.root / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        """Replace a file in one step, as an editor does."""
        target = self.root / path
        part = target.with_name(f".{target.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(target)

    def edited(self, edit: Edit) -> str:
        """Return what a file says after an edit.

        Raises:
            SiteError: the text that it replaces does not occur once.
        """
        text = self.read(edit.path)
        if not edit.old:
            return text + edit.new
        if text.count(edit.old) != 1:
            raise SiteError(f"{edit.old!r} occurs {text.count(edit.old)} times in {edit.path}")
        return text.replace(edit.old, edit.new)

    def deploy_next(self) -> None:
        """Turn the root into the next release, as `rsync --delete` would: only what differs."""
        assert self._next is not None
        old, new = _files(self._source), _files(self._next)
        for path in new:
            content = (self._next / path).read_bytes()
            target = self.root / path
            if not (target.is_file() and target.read_bytes() == content):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        for path in old - new:
            (self.root / path).unlink(missing_ok=True)


def _files(folder: Path) -> set[Path]:
    return {each.relative_to(folder) for each in folder.rglob("*") if each.is_file()}
