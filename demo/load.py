"""Is every request answered, whole and by code that is not older than what was seen before?

The load is a process of its own, so that it takes no time from the edits and the measuring. It asks
at a steady rate from many threads until its input ends, then writes its tally. A line of input,
``gone /offers/yesterday``, allows this path to answer 404 from now on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from demo.client import Answer, Client

if TYPE_CHECKING:
    from collections.abc import Sequence

# The paths that most threads request, in turn.
PATHS = (
    "/orders/quick",
    "/items/lamp",
    "/offers/today",
    "/published/greeting",
    "/orders/quick",
    "/offers/yesterday",
    "/published/farewell",
    "/memory",
)
# The path that the first threads request. It sleeps, so that updates come while it runs.
SLOW_PATHS = ("/orders/slow",)
SLOW_THREADS = 3
# How many faults are kept as text.
TOLD = 5
# The load ends by itself after this many seconds.
LIMIT = 120.0
# The line that the load writes when it has begun.
BEGUN = "begun\n"


@dataclass
class Tally:
    """The result of a load.

    Attributes:
        requests: how many were made.
        gone: how many were answered 404 by a route that was deleted, as is right.
        failed: how many were refused, dropped, answered by an error or by code of yesterday.
        mixed: how many were answered by code of more than one generation.
        versions: how many versions of the code were seen.
        seconds: how long the load lasted.
        median, worst: how long an answer took, in seconds, but for those that sleep.
        faults: the first of what went wrong, in words.
        behind: how many were answered by older code than an answer before them, where several
            workers may.
        window: how long after the first answer of newer code a request was begun that got such an
            answer, in seconds, at worst.
    """

    requests: int = 0
    gone: int = 0
    failed: int = 0
    mixed: int = 0
    versions: int = 0
    seconds: float = 0.0
    median: float = 0.0
    worst: float = 0.0
    faults: list[str] = field(default_factory=list)
    behind: int = 0
    window: float = 0.0


class Load:
    """Threads that ask the server at a steady rate, and look at each answer."""

    def __init__(
        self,
        port: int,
        *,
        threads: int,
        rate: float,
        paths: Sequence[str] = PATHS,
        slow: Sequence[str] = SLOW_PATHS,
        several: bool = False,
    ) -> None:
        self._port = port
        self._paths, self._slow = paths, slow
        # Whether several workers answer, which do not switch at one instant.
        self._several = several
        # Seconds between two requests of one thread.
        self._period = threads / rate
        # Paths that may answer 404. The thread that deletes routes adds them before it does so.
        self.may_be_gone: frozenset[str] = frozenset()
        # Version -> the one that answers again instead of it. The thread that rolls back adds them
        # before it does so.
        self.taken_back: dict[int, int] = {}
        self._begun = threading.Barrier(threads + 1)
        self._ending = threading.Event()
        # Guards all below, which every client thread writes.
        self._lock = threading.Lock()
        self._tally = Tally()
        self._times: list[float] = []
        # Version -> when it was first seen.
        self._versions: dict[int, float] = {}
        # Paths of which a 404 was seen: they must not come back.
        self._gone: set[str] = set()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"client-{number}")
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        self._began = time.perf_counter()
        for thread in self._threads:
            thread.start()

    def wait_until_begun(self) -> None:
        """Wait until every thread has had an answer."""
        self._begun.wait(LIMIT)

    def stop(self) -> Tally:
        """Let every thread finish its request, and return the tally."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        tally = self._tally
        tally.seconds = time.perf_counter() - self._began
        tally.versions = len(self._versions)
        if self._times:
            tally.median, tally.worst = statistics.median(self._times), max(self._times)
        return tally

    def _run(self, number: int) -> None:
        paths = self._slow if number < SLOW_THREADS else self._paths
        client = Client(self._port)
        turn = number
        due = time.monotonic() + self._period * number / len(self._threads)
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period, time.monotonic())
            self._ask(client, paths[turn % len(paths)])
            if turn == number:
                self._begun.wait(LIMIT)
            turn += 1
        client.close()

    def _ask(self, client: Client, path: str) -> None:
        with self._lock:
            known = tuple(self._versions)
            was_gone = path in self._gone
        began = time.perf_counter()
        try:
            answer = client.get(path)
        except (OSError, HTTPException, ValueError) as error:
            self._note(path, failed=f"{type(error).__name__}: {error}")
            return
        # By what is taken back now: a rollback may have come after the request had begun.
        newest = max(map(self._counts_as, known), default=0)
        if answer.status == 404 and path in self.may_be_gone:
            self._note(path, answer)
        elif answer.status != 200:
            self._note(path, answer, failed=f"status {answer.status}")
        elif was_gone:
            self._note(path, answer, failed="answered after it had been gone")
        elif self._counts_as(answer.version) < newest and self._several:
            self._note(path, answer, mixed="; ".join(answer.mixed()))
            with self._lock:
                self._tally.behind += 1
                since = began - self._versions[newest]
                self._tally.window = max(self._tally.window, since)
        elif self._counts_as(answer.version) < newest:
            self._note(path, answer, failed=f"version {answer.version} after {newest}")
        else:
            self._note(path, answer, mixed="; ".join(answer.mixed()))

    def _counts_as(self, version: int) -> int:
        return self.taken_back.get(version, version)

    def _note(
        self, path: str, answer: Answer | None = None, *, failed: str = "", mixed: str = ""
    ) -> None:
        with self._lock:
            tally = self._tally
            tally.requests += 1
            tally.failed += bool(failed)
            tally.mixed += bool(mixed)
            if (failed or mixed) and len(tally.faults) < TOLD:
                tally.faults.append(f"{path}: {failed or mixed}")
            if answer is None:
                return
            if answer.status == 404:
                tally.gone += 1
                self._gone.add(path)
            if answer.status == 200:
                self._versions.setdefault(answer.version, time.perf_counter())
            if path not in self._slow:
                self._times.append(answer.seconds)


class LoadProcess:
    """A load in a process of its own."""

    def __init__(self, port: int, *, threads: int, rate: float, more: Sequence[str] = ()) -> None:
        numbers = (f"--port={port}", f"--threads={threads}", f"--rate={rate}", *more)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo.load", *numbers],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def may_be_gone(self, path: str) -> None:
        """Allow a path to answer 404 from now on."""
        self._say(f"gone {path}")

    def may_go_back(self, version: int, to: int) -> None:
        """Let a version count as an earlier one from now on."""
        self._say(f"back {version} {to}")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def wait_until_begun(self) -> None:
        """Wait until the first answers are in."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != BEGUN:
            raise RuntimeError("the load did not begin")

    def stop(self) -> Tally:
        """End the load and return its tally."""
        out, _ = self._process.communicate(timeout=LIMIT)
        return Tally(**json.loads(out))

    def kill(self) -> None:
        """End the process without a tally, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def main() -> None:
    """Put a load on a server until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second, in all")
    parser.add_argument("--path", action="append", help="what to ask, instead of the shop")
    parser.add_argument("--several", action="store_true", help="several workers answer")
    given = parser.parse_args()
    load = Load(
        given.port,
        threads=given.threads,
        rate=given.rate,
        paths=given.path or PATHS,
        slow=given.path or SLOW_PATHS,
        several=given.several,
    )

    def listen() -> None:
        for line in sys.stdin:
            what, *words = line.split()
            if what == "gone":
                load.may_be_gone |= set(words)
            else:
                load.taken_back[int(words[0])] = int(words[1])

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    load.start()
    load.wait_until_begun()
    print(BEGUN, end="", flush=True)
    listener.join(LIMIT)
    print(json.dumps(asdict(load.stop())))


if __name__ == "__main__":
    main()
