"""One server takes edits under load: what was lost, what was mixed, how long did each take?"""

from __future__ import annotations

import random
import re
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from demo.client import Client
from demo.load import LoadProcess, Tally
from servers.folder import Folder
from servers.process import NotStarted, Server, free_port

if TYPE_CHECKING:
    from servers.kinds import Kind

CLIENTS = 8
RATE = 200.0
# How long an edit may take to be served, in seconds.
CAP = 20.0
# After so many edits that were not served in that time no more are made.
MISSED = 3


@dataclass
class Outcome:
    """The result of a trial.

    Attributes:
        tally: the load's.
        seconds: from save to served, for each edit that was served.
        missed: how many edits were not served in time.
        faults: what else went wrong, in words.
        log: the server's.
    """

    tally: Tally = field(default_factory=Tally)
    seconds: list[float] = field(default_factory=list)
    missed: int = 0
    faults: list[str] = field(default_factory=list)
    log: str = ""

    @property
    def apart(self) -> list[float]:
        """How far apart several workers switched, in milliseconds, for each update."""
        return [
            float(found) for found in re.findall(r"workers switched .* within (\S+) ms", self.log)
        ]

    @property
    def median(self) -> float:
        """From save to served, in seconds; NaN if none was."""
        return statistics.median(self.seconds) if self.seconds else float("nan")


def attempt(kind: Kind, *, updates: int, own: bool = False) -> Outcome:
    """Serve the site, put a load on it, and edit it.

    Args:
        kind: by what it is served.
        updates: how many edits are made.
        own: whether the server's own reloader sees to them, and Transfuse is not there.
    """
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="transfuse-servers-") as name:
        folder = Folder(Path(name).resolve())
        port = free_port()
        server = Server(kind.command(port, folder.path, own=own), folder.path, port)
        try:
            server.wait_until_ready()
            _edit(kind, folder, port, outcome, updates, held=not own)
        except (NotStarted, RuntimeError) as error:
            outcome.faults.append(f"{type(error).__name__}: {error}")
        finally:
            if not server.stop():
                outcome.faults.append("it did not end when it was asked to")
            outcome.log = server.log
    return outcome


def _edit(
    kind: Kind, folder: Folder, port: int, outcome: Outcome, updates: int, *, held: bool
) -> None:
    more = ["--path=/", *(["--several"] if kind.workers > 1 else [])]
    load = LoadProcess(port, threads=CLIENTS, rate=RATE, more=more)
    try:
        load.wait_until_begun()
        for _ in range(updates):
            began = time.perf_counter()
            edition = folder.edit(held=held)
            if _served(port, edition, began + CAP):
                outcome.seconds.append(time.perf_counter() - began)
            else:
                outcome.missed += 1
                if outcome.missed == MISSED:
                    break
            time.sleep(random.uniform(0.05, 0.2))
        outcome.tally = load.stop()
    finally:
        load.kill()


def _served(port: int, edition: int, deadline: float) -> bool:
    """Ask until that edition answers; whether it did before the deadline."""
    while time.perf_counter() < deadline:
        client = Client(port)
        try:
            answer = client.get("/")
            if answer.status == 200 and answer.content["editions"]["leaf"] == edition:
                return True
        except (OSError, HTTPException):
            time.sleep(0.005)
        finally:
            client.close()
    return False
