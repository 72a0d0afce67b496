"""How do the scenes, the load and the measuring come together, and what came of it?"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from demo.files import Source
from demo.load import LoadProcess, Tally
from demo.scenes import LEAF, SCENES, one_leaf
from demo.server import Server
from demo.stage import NotReached, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.server import Update
    from demo.stage import Saved

CLIENTS = 16


@dataclass
class Outcome:
    """The result of a show.

    Attributes:
        tally: the load's.
        asked: how many answers the editing process looked at.
        saved: the edits that are served.
        updates: what the server told of.
        handovers: how often fresh processes took over.
        rollbacks: how often an edit was taken back.
        faults: what went wrong, in words; empty if nothing did.
        log: the server's.
    """

    tally: Tally = field(default_factory=Tally)
    asked: int = 0
    saved: list[Saved] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    handovers: int = 0
    rollbacks: int = 0
    faults: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was lost or mixed and everything expected was seen."""
        return not self.faults

    @property
    def published(self) -> list[Update]:
        """The updates that were published."""
        return [update for update in self.updates if not update.refused]

    @property
    def leaves(self) -> list[Saved]:
        """The edits of the leaf."""
        return [saved for saved in self.saved if saved.what == LEAF]

    @property
    def leaf_times(self) -> list[float]:
        """From save to served, in seconds, for each edit of the leaf."""
        return [saved.seconds for saved in self.leaves]

    @property
    def leaf_median(self) -> float:
        """The median of `leaf_times`, in seconds."""
        return statistics.median(self.leaf_times)

    def ran(self, saved: Saved) -> int:
        """Return how many modules an edit had to run."""
        return self.updates[saved.number].ran


def perform(
    *,
    seconds: float,
    rate: float,
    updates: int = 20,
    told: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Serve a copy of the shop, put a load on it, and edit it meanwhile.

    Args:
        seconds: how long the load lasts at least.
        rate: requests a second, of all 16 clients together.
        updates: how many edits are made at least.
        told: takes lines for a person, as things happen.
    """
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="transfuse-demo-") as folder:
        source = Source(Path(folder).resolve())
        server = Server(source.root)
        try:
            server.wait_until_ready()
            told(server.ready)
            _play(server, source, outcome, seconds=seconds, rate=rate, updates=updates, told=told)
        except (NotReached, RuntimeError) as error:
            outcome.faults.append(str(error))
        finally:
            server.stop()
            outcome.updates, outcome.log = server.updates, server.log
            outcome.handovers = len(server.handovers)
            outcome.rollbacks = len(server.rollbacks)
    return outcome


def _play(
    server: Server,
    source: Source,
    outcome: Outcome,
    *,
    seconds: float,
    rate: float,
    updates: int,
    told: Callable[[str], None],
) -> None:
    load = LoadProcess(server.port, threads=CLIENTS, rate=rate)
    stage = Stage(server, source, load)
    try:
        ending = time.monotonic() + seconds
        load.wait_until_begun()
        for scene in SCENES:
            before = len(server.updates)
            scene(stage)
            for update in server.updates[before:]:
                told(update.line)
        for line in (*server.rollbacks, *server.handovers):
            told(line)
        told("and one leaf, again and again")
        while len(stage.saved) < updates or time.monotonic() < ending:
            one_leaf(stage)
        outcome.tally = load.stop()
    finally:
        load.kill()
        stage.close()
        outcome.saved, outcome.asked = stage.saved, stage.asked
        outcome.faults += [f"mixed: {what}" for what in stage.mixed[:5]]
    outcome.faults += outcome.tally.faults
