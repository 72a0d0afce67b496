"""The storm itself: which step comes next, and whether it came to what the model says."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from servers.handover_load import Load
from servers.process import free_port
from servers.storm import site
from servers.storm.model import CONF, FILES, LATE, LEAF, LEFT, MIDDLE, RIGHT, Model, Text
from servers.storm.people import CAP, People
from servers.storm.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servers.storm.model import Expected, State
    from servers.storm.watch import Numbers

WORKERS = 2
RATE, IDLE = 60.0, 20
# A worker that ends so soon after it was replaced is not replaced once more: `cli.team_server`.
BETWEEN_KILLS = 7.0
# Those that are edited alone.
_SINGLE = (LEAF, MIDDLE, LATE, CONF)
# Step -> how often it comes.
_WEIGHTS = {
    "save": 6,
    "save_two": 2,
    "break": 3,
    "repair": 4,
    "restore": 2,
    "rollback": 5,
    "rollback_to": 2,
    "accept": 4,
    "handover": 2,
    "hold": 1,
    "kill": 2,
    "kill_and_save": 1,
}


class StormFailed(Exception):
    """A step came to something else than the model says; the message has all that is known."""


class Storm:
    """A server, the load on it, and the steps.

    Args:
        folder: an empty one.
        runtime: a folder with a short path, for sockets.
        seed: of the steps; an odd one serves an ASGI application, an even one WSGI.
    """

    def __init__(self, folder: Path, runtime: Path, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        state = site.first_state()
        site.make(folder, "asgi" if seed % 2 else "wsgi", state)
        self.model = Model(dict(state), dict(state))
        self.watch = Watch(state)
        self._port = free_port()
        options = ("--workers", str(WORKERS), "--handover", "auto")
        self.people = People(folder, self._port, runtime, options)
        # The steps in words, and how often each kind was done.
        self.steps: list[str] = []
        self.counts: Counter[str] = Counter()
        self._number = 1
        self._killed = 0.0
        # The numbers of generations that were told, for `rollback --to`.
        self._told = [1]

    def run(self, steps: int) -> None:
        """Do so many steps.

        Raises:
            StormFailed: something was lost or mixed, or is not what the model says.
        """
        try:
            self.people.server.wait_until_ready()
            with Load(self._port, rate=RATE, idle=IDLE, heard=self.watch.hear):
                self._begin()
                while len(self.steps) < steps:
                    self._step()
        finally:
            self.people.server.stop()
        self.watch.judge()
        self._check()

    def _begin(self) -> None:
        self._until(lambda seen: len(seen) == WORKERS, 0.0, "two workers")
        self.watch.until(lambda seen: any(map(self.model.begins, seen)), 0.0, 0.0)
        self.people.events()

    def _step(self) -> None:
        kinds = [kind for kind in _WEIGHTS if self._can(kind)]
        (kind,) = self._random.choices(kinds, [_WEIGHTS[kind] for kind in kinds])
        self.counts[kind] += 1
        before, pids = dict(self.model.served), set(self.model.histories)
        done: Callable[[], Expected] = getattr(self, f"_{kind}")
        self.steps.append(kind)
        self.people.events()
        expected = done()
        self._await(expected, before, pids)
        self.watch.judge()
        self._check()

    def _can(self, kind: str) -> bool:
        if kind in ("kill", "kill_and_save"):
            return time.monotonic() - self._killed > BETWEEN_KILLS
        if kind in ("repair", "restore"):
            return bool(self._unserved())
        return True

    # The steps. Each says what it is about to do, and returns what must come of it.

    def _save(self) -> Expected:
        return self._saves({self._random.choice(_SINGLE): self._text()})

    def _save_two(self) -> Expected:
        text = self._text()
        return self._saves({LEFT: text, RIGHT: text})

    def _break(self) -> Expected:
        how = self._random.choice(["syntax", "raises"])
        return self._saves({self._random.choice(_SINGLE): self._text(how)})

    def _repair(self) -> Expected:
        """All that is not served is saved anew, or one file of it."""
        unserved = self._unserved()
        names = self._random.choice([unserved, [self._random.choice(unserved)]])
        text = self._text()
        return self._saves({name: text for each in names for name in _with_its_twin(each)})

    def _restore(self) -> Expected:
        """A file gets back what is served."""
        names = _with_its_twin(self._random.choice(self._unserved()))
        return self._saves({name: self.model.served[name] for name in names})

    def _rollback(self) -> Expected:
        return self._types(self.model.rollback, "rollback")

    def _rollback_to(self) -> Expected:
        to = self._random.choice(self._told[-6:])
        return self._types(lambda: self.model.rollback(to), "rollback", "--to", str(to))

    def _accept(self) -> Expected:
        names: tuple[str, ...] = ()
        if self.model.aside and self._random.random() < 0.5:
            names = _with_its_twin(self._random.choice(sorted(self.model.aside)))
        files = [f"site/{name}.py" for name in names]
        return self._types(lambda: self.model.accept(names), "accept", *files)

    def _handover(self) -> Expected:
        return self._types(self.model.handover, "handover")

    def _hold(self) -> Expected:
        """Several saves that are one change."""
        self._typed("update", "--hold")
        texts: State = {}
        for name in self._random.sample((LEAF, MIDDLE, LATE), 2):
            broken = "raises" if self._random.random() < 0.2 else ""
            texts[name] = self._text(broken)
            self.people.save({name: texts[name]})
        self.steps[-1] += f" {texts}"

        def saved() -> Expected:
            self.model.save(texts) if False else None
            self.model.disk.update(texts)
            return self.model.save(texts)

        return self._types(saved, "update", "--release")

    def _kill(self) -> Expected:
        self._kills()
        return self.model.killed()

    def _kill_and_save(self) -> Expected:
        self._kills()
        expected = self._saves({self._random.choice((LEAF, MIDDLE, LATE)): self._text()})
        return expected
