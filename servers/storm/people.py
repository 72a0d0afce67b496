"""How is each step done to a real server, and how is it seen that it has been done?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from demo.files import save
from servers.process import Server
from servers.storm.site import path_of, source

if TYPE_CHECKING:
    from pathlib import Path

    from servers.storm.model import State

# The longest that anything may take, in seconds.
CAP = 60.0
# As the system writes it in its list.
_LISTEN_STATE = "0A"


class People:
    """What people and the system do to a server of `transfuse serve`.

    Args:
        folder: of the project.
        port: to serve at.
        runtime: the folder of the sockets.
        options: of `transfuse serve`.
    """

    def __init__(self, folder: Path, port: int, runtime: Path, options: tuple[str, ...]) -> None:
        self._folder, self._port, self._runtime = folder, port, runtime
        words = ["-m", "transfuse", "serve", "web:app", "--json", "--port", str(port), *options]
        # The server is started with the environment of this process.
        before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        try:
            self.server = Server([sys.executable, *words], folder, port)
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before
        self._log = folder / "server.log"
        # How much of the log was read, in bytes.
        self._read = 0

    def save(self, texts: State) -> None:
        """Save files, as one edit."""
        sources = {name: source(name, text) for name, text in texts.items()}
        save({path_of(self._folder, name): text for name, text in sources.items()})

    def type(self, *words: str) -> tuple[int, str]:
        """Run a command; return its exit code and its output."""
        done = subprocess.run(
            [sys.executable, "-m", "transfuse", *words],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(self._runtime), "NO_COLOR": "1"},
            timeout=2 * CAP,
            check=False,
        )
        return done.returncode, done.stdout

    def kill(self, pid: int) -> set[int]:
        """Kill a worker; return the clients' ports of the connections that it had accepted."""
        # Stopped first, so that it accepts nothing more while they are counted.
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + CAP
        while _state_of(pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.001)  # nothing signals that it is stopped
        ports = _clients_of(pid, self._port)
        os.kill(pid, signal.SIGKILL)
        return ports

    def events(self) -> list[dict[str, Any]]:
        """Return what the server has told since the last call."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            whole, _, _ = file.read().rpartition(b"\n")
        if whole:
            self._read += len(whole) + 1
        lines = whole.decode(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"event"')]


def _state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


def _clients_of(pid: int, port: int) -> set[int]:
    """Return the ports at the other ends of a process's connections at this port."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{name}")
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    clients = set()
    with open("/proc/net/tcp", encoding="utf-8") as file:
        for line in file.readlines()[1:]:
            columns = line.split()
            here, there, state, inode = (columns[number] for number in (1, 2, 3, 9))
            is_here = int(here.rpartition(":")[2], 16) == port
            if inode in inodes and state != _LISTEN_STATE and is_here:
                clients.add(int(there.rpartition(":")[2], 16))
    return clients
