"""Projects with programs that run in them, and a command line beside them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CAP = 30.0
# Serves until its input ends: what a server of its own kind does, without a port.
PROGRAM = """
import os, sys
import transfuse
import prices
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    print(transfuse.import_module("prices").PRICE, flush=True)
"""
# A server with workers: they have one parent, of the same program.
PARENT = """
import subprocess, sys
workers = [subprocess.Popen([sys.executable, "worker.py"], stdin=subprocess.PIPE) for _ in "ab"]
for line in sys.stdin:
    pass
for worker in workers:
    worker.stdin.close()
for worker in workers:
    worker.wait()
"""
WORKER = """
import os, sys
import transfuse
from transfuse.control import unix_socket
transfuse.install()
import prices
assert unix_socket.serve("serve shop")
# In one write: both workers write into one pipe, and `print` may write each word by itself.
os.write(1, f"ready {os.getpid()}\\n".encode())
for line in sys.stdin:
    pass
"""


# Between the tests and a program, as at a terminal: programs that have one parent, which is of the
# same program, are workers of one server.
SHELL = ("sh", "-c", '"$0" "$@"; exit $?')


class Running:
    """A program that runs in a project, and what it prints.

    Attributes:
        pid: the process id of the one that says so last.
    """

    def __init__(self, command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.pid = 0
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self) -> str:
        """The price that it serves."""
        assert self.process.stdin is not None
        self.process.stdin.write("price\n")
        self.process.stdin.flush()
        return self.line()

    def becomes_ready(self) -> None:
        word, _, pid = self.line().partition(" ")
        assert word == "ready"
        self.pid = int(pid)

    def stop(self) -> None:
        """Stop it, and wait until the system says that it is."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + CAP
        while state_of(self.pid) != "T":
            assert time.monotonic() < deadline, state_of(self.pid)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        if self.process.poll() is None and self.pid:
            self.go_on()
        self.process.communicate(timeout=CAP)


class Machine:
    """Projects, the programs that run in them, and a command line."""

    def __init__(self, place: Path, runtime: Path) -> None:
        self.place = place
        self.environ = {"XDG_RUNTIME_DIR": str(runtime), "NO_COLOR": "1"}
        # Ended with the test.
        self._all: list[Running] = []

    def project(self, name: str, *, toml: bool = True) -> Path:
        folder = self.place / name
        folder.mkdir(parents=True)
        files = {"program.py": PROGRAM, "parent.py": PARENT, "worker.py": WORKER}
        for file, text in files.items():
            (folder / file).write_text(textwrap.dedent(text))
        if toml:
            (folder / "pyproject.toml").write_text("[tool.transfuse]\nwatch = false\n")
        self.save(folder, 1)
        return folder

    def save(self, folder: Path, price: int) -> None:
        beside = folder / "prices.new"
        beside.write_text(f"PRICE = {price}\n")
        beside.replace(folder / "prices.py")

    def run(self, folder: Path, *, lines: int = 1, words: tuple[str, ...] = ()) -> Running:
        command = [*SHELL, sys.executable, "-m", "transfuse", "run", "--no-watch", "program.py"]
        running = Running(list(words) or command, folder, self.environ)
        self._all.append(running)
        for _ in range(lines):
            running.becomes_ready()
        return running

    def type(self, folder: Path, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "transfuse", *words],
            cwd=folder,
            env={**os.environ, **self.environ},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=CAP,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def rows(self, folder: Path, *words: str) -> list[dict[str, Any]]:
        _, out, _ = self.type(folder, *words, "--json")
        return [json.loads(line) for line in out.splitlines()]

    def pids(self, folder: Path, *words: str) -> list[int]:
        return [row["pid"] for row in self.rows(folder, *words)]

    def end(self) -> None:
        for running in self._all:
            running.end()


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]
