"""Programs that run while a test edits them, and that always end with it."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = Path(__file__).parents[2] / "examples"


class Program:
    """A program under `transfuse run`, in a folder of its own, with everything it says.

    Args:
        folder: where it runs; that is its root.
        words: what follows `transfuse run`.
        more: what is added to the environment.
    """

    def __init__(self, folder: Path, words: Sequence[str], **more: str) -> None:
        self.folder = folder
        # The lines of its output as they come, "out" and "err" together.
        self.lines: queue.Queue[str] = queue.Queue()
        self.heard: list[str] = []
        kept = {key: value for key, value in os.environ.items() if "TRANSFUSE" not in key}
        kept |= {"XDG_RUNTIME_DIR": str(folder.parent), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "transfuse", "run", "--root", str(folder), *words],
            cwd=folder,
            env=kept | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.stdin: IO[str] = self._process.stdin
        self._reader = threading.Thread(target=self._read, args=[self._process.stdout])
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.put(line.rstrip())

    def hear(self, *words: str, cap: float = CAP) -> str:
        """Wait for a line that has all these words in it."""
        try:
            while True:
                line = self.lines.get(timeout=cap)
                self.heard.append(line)
                if all(word in line for word in words):
                    return line
        except queue.Empty:
            came = "\n".join(self.heard)
            raise AssertionError(
                f"waited {cap} s for {words}; this came instead:\n{came}"
            ) from None

    def said(self) -> list[str]:
        """All that it has written so far."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.heard.append(self.lines.get_nowait())
        return self.heard

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in a file of its folder, and say so by renaming, as editors do."""
        path = self.folder / name
        source = path.read_text(encoding="utf-8")
        assert old in source, source
        beside = path.with_suffix(".new")
        beside.write_text(source.replace(old, new), encoding="utf-8")
        beside.replace(path)

    def end(self) -> int:
        """Ask it to end, see that it does, and return with which code; end what it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(CAP)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._reader.join(CAP)
            self.stdin.close()
            if self._process.stdout is not None:
                self._process.stdout.close()


def example(name: str, place: Path) -> Path:
    """A copy of an example's folder, to be edited."""
    return Path(shutil.copytree(EXAMPLES / name, place / name))
