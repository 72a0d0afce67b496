"""When may all workers publish, when must all refuse, and who is behind?

A pure state machine: what workers tell goes in, what to tell them comes out. It knows neither
sockets nor clocks. Views are told apart by their fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Order = tuple[int, dict[str, Any]]

# So often in a row a worker may not find what another has found, before that is a failure.
MISSES = 5
# So often in a row workers may find different things, before that is one. While files are being
# written they do; two that do not see the same files would go on for ever.
TURNS = 30


@dataclass
class WorkerState:
    """What is known of one worker.

    Attributes:
        at: the view that it serves.
        generation: the number of its generation.
        staged: the view that it has staged and waits to publish; None if it does not wait.
        told: the view that it was last told to stage, or to catch up with.
    """

    at: str
    generation: int
    staged: str | None = None
    told: str | None = None


@dataclass
class CommitCoordinator:
    """All workers, and what they are at.

    Attributes:
        workers: by a number that whoever talks to them chose.
        served: the view that all are to serve; None before the first worker.
        generation: its number.
    """

    workers: dict[int, WorkerState] = field(default_factory=dict)
    served: str | None = None
    generation: int = 0
    # Whether nothing is decided yet: a new chair first lets the others find it.
    waits: bool = False
    # The view that is being voted on; None while nobody waits.
    _open: str | None = None
    # What is to be served of files that say something else on disk, for the view in question.
    _contents: dict[str, Any] | None = None
    # How often in a row a worker did not find what another had found, and found something else.
    _misses: int = 0
    _turns: int = 0

    def begins(self) -> list[Order]:
        """All who were there have had time to come back."""
        self.waits = False
        # The first to come back may be one that was left behind. Numbers only grow.
        furthest = max(self.workers.values(), key=lambda each: each.generation, default=None)
        if furthest is not None:
            self.served, self.generation = furthest.at, furthest.generation
        return self._orders()

    def joins(
        self,
        who: int,
        at: str,
        generation: int,
        staged: str | None,
        contents: dict[str, Any] | None = None,
    ) -> list[Order]:
        """A worker says what it serves, and what it has staged, if it waits."""
        self.workers[who] = WorkerState(at, generation)
        if self.served is None:
            self.served, self.generation = at, generation
        if staged is not None:
            return self.prepared(who, staged, contents)
        return self._orders()

    def missing(self) -> list[int]:
        """Who is waited for: those that have not staged what is voted on."""
        if self._open is None:
            return []
        workers = self.workers.items()
        return [who for who, worker in workers if self._open not in (worker.staged, worker.at)]

    def leaves(self, who: int) -> list[Order]:
        """A worker is gone, or does not answer: the others go on without it."""
        self.workers.pop(who, None)
        if not any(worker.staged for worker in self.workers.values()):
            self._open = None
        return self._orders()

    def prepared(self, who: int, view: str, contents: dict[str, Any] | None = None) -> list[Order]:
        """A worker has staged a view, and waits; `contents` of it are not on disk (a rollback)."""
        self.workers[who].staged = view
        if view != self._open:
            self._contents = contents
        # Who staged last has looked at the files last.
        self._open = view
        return self._orders()

    def fails(self, who: int, why: str) -> list[Order]:  # noqa: ARG002
        """A worker could not stage what it found: nobody is to publish what is voted on."""
        return self._end({"do": "refuse", "why": why})

    def finds_nothing(self, who: int) -> list[Order]:
        """A worker was told to stage, and its files say nothing new."""
        if self._open is None or self.workers[who].at == self._open:
            return []
        self._misses += 1
        if self._misses >= MISSES:
            self._misses = 0
            return self.fails(who, "it does not see the files that the others see")
        return self._end({"do": "look again"})

    def _end(self, order: dict[str, Any]) -> list[Order]:
        if self._open is None:
            return []
        orders: list[Order] = []
        for number, worker in self.workers.items():
            if worker.staged is not None:
                orders.append((number, order))
            worker.staged = worker.told = None
        self._open, self._turns = None, 0
        return orders

    def serves(self, who: int, at: str, generation: int) -> list[Order]:
        """A worker tells what it serves now, whether or not that is new."""
        worker = self.workers[who]
        worker.at, worker.generation, worker.staged = at, generation, None
        if at == self.served:
            self.generation = max(self.generation, generation)
            worker.told = None
        return self._orders()

    def _orders(self) -> list[Order]:
        orders: list[Order] = []
        if self.waits:
            return orders
        if self._open is not None:
            orders += self._vote(self._open)
        if self._open is None and self.served is not None:
            behind = [
                (number, worker)
                for number, worker in self.workers.items()
                if worker.at != self.served and worker.staged is None and worker.told != self.served
            ]
            for number, worker in behind:
                # Once: what it can do then is up to it.
                worker.told = self.served
                order = {"do": "catch up", "view": self.served, "generation": self.generation}
                orders.append((number, order))
        return orders

    def _vote(self, view: str) -> list[Order]:
        workers = self.workers
        waiting = [number for number, worker in workers.items() if worker.staged == view]
        # Whoever serves it already was told to: then that was decided.
        decided = any(worker.at == view for worker in workers.values()) and view == self.served
        ready = all(view in (worker.staged, worker.at) for worker in workers.values())
        if decided or ready:
            self._open, self._misses, self._turns = None, 0, 0
            if view != self.served:
                self.served = view
                self.generation = 1 + max(worker.generation for worker in workers.values())
            for number in waiting:
                # It says itself when it serves it.
                workers[number].staged, workers[number].told = None, view
            return [(number, {"do": "publish"}) for number in waiting]
        if any(worker.staged not in (None, view) for worker in workers.values()):
            self._turns += 1
            if self._turns > TURNS:
                return self._end({"do": "refuse", "why": "the workers see different files"})
        orders: list[Order] = []
        for number, worker in workers.items():
            if worker.staged is not None and worker.staged != view:
                worker.staged, worker.told = None, view
                orders.append((number, {"do": "look again"}))
            elif worker.staged is None and view not in (worker.at, worker.told):
                worker.told = view
                order = {"do": "stage", "view": view, "generation": 1 + self.generation}
                if self._contents:
                    order["contents"] = self._contents
                orders.append((number, order))
        return orders
