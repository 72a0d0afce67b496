"""How is a server started, and surely ended?"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from http.client import HTTPException
from typing import IO, TYPE_CHECKING

from demo.client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The longest that a server may take to start, in seconds, and to end.
START = 30.0
END = 10.0
# Its log is plain text, and complete.
_PLAIN = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
# How much of a log is kept, in characters: all of a good one.
_LOG = 100_000


class NotStarted(Exception):
    """A server does not serve; the message has its log."""


class Server:
    """A server in a session of its own, so that its workers can be ended with it.

    Args:
        command: what is run, by a port that is free now: see `free_port`.
        folder: where it is run.
        port: where it listens, on loopback.
        path: what answers 200 once it is ready.
    """

    def __init__(self, command: Sequence[str], folder: Path, port: int, path: str = "/") -> None:
        self.port = port
        self._path = path
        self._log = folder / "server.log"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TRANSFUSE_")}
        out: IO[bytes]
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={"XDG_STATE_HOME": str(folder / ".state"), **kept, **_PLAIN},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The end of what it has written so far."""
        return self._log.read_text(errors="replace")[-_LOG:]

    def wait_until_ready(self) -> None:
        """Wait until it answers; NotStarted if it does not."""
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self._process.poll() is None:
            client = Client(self.port)
            try:
                if client.get(self._path).status == 200:
                    return
            except (OSError, HTTPException):
                pass
            finally:
                client.close()
            time.sleep(0.02)  # between two questions, until the deadline
        raise NotStarted(self.log)

    def stop(self) -> bool:
        """End it, and whatever it started; return whether it ended when it was asked to."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def free_port() -> int:
    """Return a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
