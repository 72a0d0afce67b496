"""When may all workers publish, when must all refuse, and which of them must catch up?

A pure state machine: messages of workers go in, orders to them come out. It knows neither sockets
nor clocks. A view is identified by its fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Order = tuple[int, dict[str, Any]]

# How often in a row a worker may not find the files that another has found; then it has failed.
MISSES = 5
# How often in a row workers may find different files, as they do while files are being written.
# Two that do not see the same files would go on for ever.
TURNS = 30


@dataclass
class WorkerState:
    """The state of one worker.

    Attributes:
        at: the view that it serves.
        generation: the number of its generation.
        staged: the view that it has staged and waits to publish; None if it does not wait.
        told: the view that it was last told to stage, or to catch up with.
        others: as `VotedView.others`, for the view that it serves.
        source: the digest of the source that it serves; another one than that of the view while
            changes wait for a restart.
        numbered: the number after which it was told to number its next generation.
    """

    at: str
    generation: int
    staged: str | None = None
    told: str | None = None
    others: dict[str, str] = field(default_factory=dict)
    source: str = ""
    numbered: int = 0


@dataclass
class CommitCoordinator:
    """Decides for all workers.

    Attributes:
        workers: by the number of their connection.
        served: the view that all are to serve; None before the first worker.
        generation: its number.
        others: as `VotedView.others`, for that view.
    """

    workers: dict[int, WorkerState] = field(default_factory=dict)
    served: str | None = None
    generation: int = 0
    others: dict[str, str] = field(default_factory=dict)
    # Whether nothing is decided yet: a new coordinator first lets the others find it.
    waits: bool = False
    # The view that is being voted on; None while no worker waits.
    _open: str | None = None
    # Contents to serve of files that differ on disk, for the view in question.
    _contents: dict[str, Any] | None = None
    # Of the update that is voted on: the files that it changes, and the rollback that it is.
    _change: dict[str, Any] = field(default_factory=dict)
    # The trial that it begins, if one of the workers was asked for one.
    _trial: dict[str, Any] | None = None
    # How often in a row a worker found nothing, and found something else than another.
    _misses: int = 0
    _turns: int = 0

    def begins(self) -> list[Order]:
        """All former workers have had time to come back."""
        self.waits = False
        # The first to come back may be one that was left behind. Numbers only grow.
        furthest = max(self.workers.values(), key=lambda each: each.generation, default=None)
        if furthest is not None:
            self.served, self.generation = furthest.at, furthest.generation
            self.others = furthest.others
        return self._orders()

    def joins(
        self,
        number: int,
        at: str,
        generation: int,
        staged: str | None,
        contents: dict[str, Any] | None = None,
        *,
        serves: dict[str, str] | None = None,
        source: str = "",
        **change: Any,
    ) -> list[Order]:
        """A worker reports the view that it serves, and the one that it has staged, if it waits.

        Args:
            number: of the worker's connection.
            at, generation: what it serves.
            staged, contents, **change: as for `prepared`.
            serves, source: `others` and `source` of its state.
        """
        self.workers[number] = WorkerState(at, generation, others=serves or {}, source=source)
        if self.served is None:
            self.served, self.generation, self.others = at, generation, serves or {}
        if staged is not None:
            return self.prepared(number, staged, contents, **change)
        return self._orders()

    def missing(self) -> list[int]:
        """Return the workers that have not staged the view that is voted on."""
        if self._open is None:
            return []
        workers = self.workers.items()
        return [each for each, worker in workers if self._open not in (worker.staged, worker.at)]

    def leaves(self, number: int) -> list[Order]:
        """A worker is gone, or does not answer: the others go on without it."""
        self.workers.pop(number, None)
        if not any(worker.staged for worker in self.workers.values()):
            self._open = None
        return self._orders()

    def prepared(
        self, number: int, view: str, contents: dict[str, Any] | None = None, **change: Any
    ) -> list[Order]:
        """A worker has staged a view, and waits.

        Args:
            number: of the worker's connection.
            view: the view that it has staged.
            contents: those of it that are not on disk, for a rollback.
            **change: the parts of the update that the others need to stage the same.
        """
        self.workers[number].staged = view
        trial = change.pop("trial", None)
        if view != self._open:
            self._contents, self._change, self._trial = contents, change, None
        self._trial = self._trial or trial
        # The worker that staged last has looked at the files last.
        self._open = view
        return self._orders()

    def fails(self, number: int, why: str) -> list[Order]:  # noqa: ARG002
        """A worker could not stage its files: no worker is to publish the view that is voted on."""
        return self._end({"do": "refuse", "why": why})

    def finds_nothing(self, number: int) -> list[Order]:
        """A worker was told to stage, and its files say nothing new."""
        if self._open is None or self.workers[number].at == self._open:
            return []
        self._misses += 1
        if self._misses >= MISSES:
            self._misses = 0
            return self.fails(number, "it does not see the files that the others see")
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
        # One that staged something else was not told yet that it is behind.
        return orders + self._orders()

    def serves(
        self,
        number: int,
        at: str,
        generation: int,
        others: dict[str, str] | None = None,
        source: str = "",
    ) -> list[Order]:
        """A worker reports the view that it serves now, whether or not that is new."""
        worker = self.workers[number]
        worker.others, worker.source = others or {}, source
        worker.at, worker.generation, worker.staged = at, generation, None
        if at == self.served:
            self.generation = max(self.generation, generation)
            worker.told = None
        return self._orders()

    def _orders(self) -> list[Order]:
        orders: list[Order] = []
        if self.waits:
            return orders
        orders += self._numbers()
        if self._open is not None:
            orders += self._vote(self._open)
        if self._open is None and self.served is not None:
            all_workers = self.workers.values()
            source = next((each.source for each in all_workers if each.at == self.served), "")
            behind = [
                (number, worker)
                for number, worker in self.workers.items()
                if worker.at != self.served and worker.staged is None and worker.told != self.served
            ]
            for number, worker in behind:
                # Once: the worker itself tries again.
                worker.told = self.served
                order = {"do": "catch up", "view": self.served, "generation": self.generation}
                orders.append((number, {**order, "others": self.others, "source": source}))
        return orders

    def _numbers(self) -> list[Order]:
        """Have workers that serve the same under different numbers give the next one the same.

        They begin so when the ones that they take over from publish meanwhile. A number that is
        of one state here and of another one there would lead a rollback to the wrong one.
        """
        same = {number: each for number, each in self.workers.items() if each.at == self.served}
        last = max((each.generation for each in same.values()), default=0)
        orders: list[Order] = []
        for number, worker in same.items():
            if max(worker.generation, worker.numbered) < last:
                worker.numbered = last
                orders.append((number, {"do": "number", "generation": 1 + last}))
        return orders

    def _vote(self, view: str) -> list[Order]:
        workers = self.workers
        waiting = [number for number, worker in workers.items() if worker.staged == view]
        # A worker serves it already because it was told to: then that was decided.
        decided = any(worker.at == view for worker in workers.values()) and view == self.served
        ready = all(view in (worker.staged, worker.at) for worker in workers.values())
        if decided or ready:
            self._open, self._misses, self._turns = None, 0, 0
            if view != self.served:
                self.served, self.others = view, self._change.get("others", {})
                self.generation = 1 + max(worker.generation for worker in workers.values())
            for number in waiting:
                # The worker reports when it serves it.
                workers[number].staged, workers[number].told = None, view
            order = (
                {"do": "publish"}
                if self._trial is None
                else {"do": "publish", "trial": self._trial}
            )
            return [(number, order) for number in waiting]
        if any(worker.staged not in (None, view) for worker in workers.values()):
            self._turns += 1
            if self._turns > TURNS:
                return self._end({"do": "refuse", "why": "the workers see different files"})
        orders: list[Order] = []
        for number, worker in workers.items():
            if worker.staged is not None and worker.staged != view:
                worker.staged, worker.told = None, view
                order = {"do": "look again", "others": self._change.get("others", {})}
                if self._contents is not None:
                    # A rollback is not found by looking at the files.
                    order.update(self._stage_order(view), do="look again")
                orders.append((number, order))
            elif worker.staged is None and view not in (worker.at, worker.told):
                worker.told = view
                orders.append((number, self._stage_order(view)))
        return orders

    def _stage_order(self, view: str) -> dict[str, Any]:
        order = {"do": "stage", "view": view, "generation": 1 + self.generation, **self._change}
        if self._contents is not None:
            order["contents"] = self._contents
        return order
