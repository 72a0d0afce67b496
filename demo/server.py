"""How is the shop served, and what does the server say of each update?

`transfuse serve` runs as a process of its own. What it did is read from its log, as a person would.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

THREADS = 16
# How long the server may take to start or to end, in seconds.
START = 20.0
END = 5.0


@dataclass
class Update:
    """An update as the log tells it.

    Attributes:
        line: the line, without ``transfuse:``.
        refused: whether it was refused.
        ran: how many modules it ran.
    """

    line: str
    refused: bool
    ran: int = 0


class Server:
    """The shop, served by Granian with threads, on loopback.

    Attributes:
        port: where it listens.
        updates: what its log told so far. Written by the thread that reads the log.
        handovers: what it told of handovers to fresh processes, likewise.
        rollbacks: what it told of rollbacks, likewise.
        ready: what it said when it began to serve; empty until then.
        log: all of its log.
    """

    def __init__(self, root: Path) -> None:
        self.port = _free_port()
        self.updates: list[Update] = []
        self.handovers: list[str] = []
        self.rollbacks: list[str] = []
        self.ready = ""
        self.log: list[str] = []
        self._news = threading.Condition()
        flags = (f"--root={root}", f"--port={self.port}", f"--threads={THREADS}")
        self._root = root
        self._process = subprocess.Popen(
            [sys.executable, "-m", "transfuse", "serve", "shop.web:app", "--verbose", *flags],
            cwd=root,
            env=_environment(),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            # A process group of its own, so that the workers can be ended together with the parent.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="log", daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait until it serves; RuntimeError with its log if it does not."""
        with self._news:
            self._news.wait_for(lambda: bool(self.ready) or self._process.poll() is not None, START)
        if not self.ready:
            raise RuntimeError("the server did not start:\n" + "".join(self.log))

    def wait_for_update(self, after: int, cap: float) -> Update | None:
        """Return the first update after so many, or None if none comes in `cap` seconds."""
        with self._news:
            self._news.wait_for(lambda: len(self.updates) > after, cap)
            return self.updates[after] if len(self.updates) > after else None

    def hand_over(self, cap: float) -> str:
        """Have fresh processes take over, and wait until the former one has ended.

        Args:
            cap: how many seconds that may take.

        Returns:
            What the log told of it, or else what went wrong.
        """
        serving = self._serving()
        done = self._type("handover", cap)
        with self._news:
            self._news.wait_for(lambda: bool(self.handovers) or done.returncode != 0, cap)
        if not self.handovers:
            return done.stdout + done.stderr
        # Until then it answers once more on each connection.
        deadline = time.monotonic() + cap
        while _lives(serving):
            if time.monotonic() > deadline:
                return f"process {serving} has not ended after {cap} s"
            # Polls until the deadline: the process is no child, so its end cannot be waited for.
            time.sleep(0.02)
        return self.handovers[-1]

    def roll_back(self, cap: float) -> str:
        """Go back to what was served before; return what the command has told."""
        done = self._type("rollback", cap)
        if done.returncode == 0:
            with self._news:
                self._news.wait_for(lambda: bool(self.rollbacks), cap)
        return done.stdout + done.stderr

    def _serving(self) -> int:
        serving = re.search(r"process (\d+)", self.ready)
        assert serving is not None, self.ready
        return int(serving[1])

    def _type(self, command: str, cap: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "transfuse", command, "--pid", str(self._serving())],
            cwd=self._root,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=cap,
            check=False,
        )

    def stop(self) -> None:
        """End the server and its workers."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(END)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.log.append(line)
                self._understand(line.removeprefix("transfuse: ").rstrip())
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _understand(self, line: str) -> None:
        if line.startswith("serving "):
            self.ready = line
        elif line.startswith("handed over to "):
            self.handovers.append(line)
        elif line.startswith("rolled back in "):
            self.rollbacks.append(line)
        elif line.startswith(("updated in ", "refused: ")):
            self.updates.append(Update(line, refused=line.startswith("refused")))
        elif re.match(r"plan: run\s", line):
            self.updates[-1].ran += 1


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    ours = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TRANSFUSE_")}
    return kept | ours
