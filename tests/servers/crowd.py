"""Workers of one server, as processes that a test asks, stops, kills and starts again.

Each is a child of the process that runs the test, which is what makes them workers of one server
(`transfuse/workers/rendezvous.py`). A worker reads Python expressions, a line each, and answers
with their value as JSON.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CAP = 30.0

WORKER = """
import json, logging, os, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
import transfuse
transfuse.install(roots=[sys.argv[1]], **json.loads(sys.argv[2]))
import shop
def served():
    return [transfuse.status().generation, transfuse.import_module("shop").VALUE]
print(json.dumps(served()), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""


class Worker:
    """One process.

    Attributes:
        served: the generation and the value that it began with.
    """

    def __init__(
        self, root: Path, log: Path, settings: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        self._answers: queue.Queue[Any] = queue.Queue()
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(root), json.dumps(dict(settings))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                env={**os.environ, **environ},
            )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.served = self.answer()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(EOFError)

    def tell(self, expression: str) -> None:
        """Let the worker evaluate an expression; `answer` returns the result."""
        assert self._process.stdin is not None
        self._process.stdin.write(expression + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What the last expression is; AssertionError with its log if it does not answer."""
        try:
            found = self._answers.get(timeout=CAP)
        except queue.Empty:
            raise AssertionError(f"no answer in {CAP} s:\n{self.log}") from None
        assert found is not EOFError, f"it has ended:\n{self.log}"
        return found

    def ask(self, expression: str) -> Any:
        """Evaluate and return."""
        self.tell(expression)
        return self.answer()

    @property
    def log(self) -> str:
        """Return its log so far."""
        return self._log.read_text()

    def until(self, expression: str, expected: object) -> None:
        """Wait until an expression has a value; AssertionError with what came instead."""
        deadline = time.monotonic() + CAP
        while (found := self.ask(expression)) != expected:
            said = f"{expression} is {found!r}, not {expected!r}:\n{self.log}"
            assert time.monotonic() < deadline, said
            time.sleep(0.01)

    @property
    def lives(self) -> bool:
        """Whether it has not been killed."""
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to this process."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(CAP)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._reader.join(CAP)
        self._process.stdout.close()


class Crowd:
    """All workers of a test."""

    def __init__(self, root: Path, place: Path) -> None:
        self.root = root
        self._place = place
        self._all: list[Worker] = []
        self.settings: dict[str, Any] = {}

    def start(self, **environ: str) -> Worker:
        """Start one more; the first that is started has the chair."""
        log = self._place / f"worker-{len(self._all)}.log"
        worker = Worker(self.root, log, self.settings, environ)
        self._all.append(worker)
        return worker

    def write(self, **files: str) -> None:
        """Write modules of the root; each at one instant."""
        for name, text in files.items():
            beside = self.root / f"{name}.new"
            beside.write_text(text)
            beside.replace(self.root / f"{name}.py")

    def all_serve(self, *expected: object) -> None:
        """Wait until all that live serve this generation and value."""
        for worker in self._all:
            if worker.lives:
                worker.until("served()", list(expected))

    def end(self) -> None:
        """End all of them."""
        for worker in self._all:
            if worker.lives:
                worker.signal(signal.SIGCONT)
                worker.kill()


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + CAP
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {CAP} s"
        time.sleep(0.01)
