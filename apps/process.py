"""One process with one application, plain or live, and what the runner asks it for."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from apps.site import Site

# The longest that one command is waited for, in seconds.
_CAP = 600.0


class ProcessError(Exception):
    """A process ended, or did not answer in time."""


class Process:
    """A started process; leaving its context ends it.

    Args:
        live: whether Transfuse is installed in it.
        traced: whether it measures what each module costs.
    """

    def __init__(self, site: Site, *, live: bool, traced: bool = False) -> None:
        self._log = site.log
        self._what = f"{site.app.name}, {'live' if live else 'plain'}"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [site.python, "-m", "transfuse_apps.main"],
                cwd=site.root,
                env=site.environment(live=live),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        app = site.app
        self._send(
            root=str(site.root),
            leaf=next(edit.path for edit in app.edits if edit.kind == "leaf"),
            target=app.target,
            interface=app.interface,
            live=live,
            traced=traced,
            requests=[each._asdict() for each in app.requests],
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def do(self, command: str) -> dict[str, Any]:
        """Have a command of `inside.main` carried out, and return what it says.

        Raises:
            ProcessError: the process ended, or took too long.
        """
        timer = threading.Timer(_CAP, self._process.kill)
        timer.start()
        try:
            self._send(command)
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            code = self._process.wait()
            end = self._log.read_text(errors="replace")[-1500:]
            raise ProcessError(f"{self._what}: ended with {code} in {command!r}:\n{end}")
        told: dict[str, Any] = json.loads(line)
        return told

    def _send(self, command: str | None = None, **described: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command or described) + "\n")
        self._process.stdin.flush()
