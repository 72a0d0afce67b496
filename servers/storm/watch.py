"""Which answers are right, and which lost requests are excused?

`Watch` hears each exchange of the load, in the load's thread, and judges them when a step has
ended: an answer must be of a state that was served at some moment between the request and the
answer. A process that others have taken over from answers once more on each connection that it
has. A worker that is killed takes along the connections that it has accepted.
"""

from __future__ import annotations

import collections
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers.storm.site import Shown, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from servers.handover_load import Exchange
    from servers.storm.model import State

# What an answer shows of the modules: (("conf", 3), ("late", 1), ...).
Numbers = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Retired:
    """A process that others have taken over from: since when, and what it may have served last."""

    since: float
    served: frozenset[Numbers]


@dataclass
class Tally:
    """What the load was told so far.

    Attributes:
        answered: how many requests were answered, by kind.
        retired: how many answers came from processes that others had taken over from.
        in_flight: how many requests were lost that a killed worker was answering.
        on_dead: how many were sent afterwards, on a connection of such a worker.
        wrong: what was lost, mixed, or other than the model says, in words.
    """

    answered: collections.Counter[str] = field(default_factory=collections.Counter)
    retired: int = 0
    in_flight: int = 0
    on_dead: int = 0
    wrong: list[str] = field(default_factory=list)


class Watch:
    """Judges the answers.

    Args:
        state: what is served at first.
    """

    def __init__(self, state: State) -> None:
        self.tally = Tally()
        # (since when, what may answer from then on), the oldest first.
        self._epochs: list[tuple[float, frozenset[Numbers]]] = [(0.0, frozenset([numbers(state)]))]
        self._retired: dict[int, Retired] = {}
        # The processes that have begun to serve, and what those have retired with that nothing is
        # known of: they began just before others took over.
        self._known: set[int] = set()
        self._short_lived: Retired | None = None
        # The client's end of a connection that a killed worker had -> when it was killed.
        self._dead: dict[int, float] = {}
        # Guards what follows, which the thread of the load writes.
        self._news = threading.Condition()
        self._heard: list[Exchange] = []
        # Process id -> when the last request was sent that it has answered, and what that showed.
        self._last: dict[int, tuple[float, Numbers]] = {}

    def hear(self, exchange: Exchange) -> None:
        """Take an exchange; in the thread of the load."""
        shown = None if exchange.lost else Shown.of(exchange.body)
        with self._news:
            self._heard.append(exchange)
            if shown is not None and exchange.kind == "new":
                self._last[shown.pid] = (exchange.sent, shown.numbers)
            self._news.notify_all()

    # What the one who does the steps says.

    def may_serve(self, *states: State) -> None:
        """From now on any of these may answer."""
        epoch = (time.monotonic(), frozenset(map(numbers, states)))
        self._epochs.append(epoch)

    def begins(self, pid: int) -> None:
        """A process serves."""
        self._known.add(pid)

    def retire(self, pids: Iterable[int], *states: State) -> None:
        """Others have taken over from these processes, which served one of these last."""
        retired = Retired(time.monotonic(), frozenset(map(numbers, states)))
        self._short_lived = retired
        for pid in pids:
            self._retired[pid] = retired
            self._last.pop(pid, None)

    def kill(self, ports: Iterable[int], pid: int) -> None:
        """A worker is killed that has connections to these ports of clients."""
        now = time.monotonic()
        self._dead.update(dict.fromkeys(ports, now))
        self._last.pop(pid, None)

    def until(self, so: Callable[[dict[int, Numbers]], bool], since: float, cap: float) -> bool:
        """Wait until something is so of what each process has shown last since then."""

        with self._news:
            return self._news.wait_for(lambda: so(self._since(since)), cap)

    def latest(self, since: float) -> dict[int, Numbers]:
        """Return what each process has shown last since then."""
        with self._news:
            return self._since(since)

    def _since(self, since: float) -> dict[int, Numbers]:
        live = {pid: last for pid, last in self._last.items() if pid not in self._retired}
        return {pid: shown for pid, (sent, shown) in live.items() if sent >= since}

    def seen(self) -> str:
        """What each process has shown last, in words."""
        with self._news:
            return "\n".join(f"{pid}: {shown}" for pid, (_, shown) in self._last.items())

    def judge(self) -> None:
        """Judge what was heard up to now."""
        with self._news:
            heard, self._heard = self._heard, []
        for exchange in heard:
            if exchange.lost:
                self._judge_loss(exchange)
            else:
                self._judge_answer(exchange)

    def _judge_loss(self, exchange: Exchange) -> None:
        killed = self._dead.get(exchange.port)
        if killed is None or exchange.opened > killed:
            self.tally.wrong.append(f"lost: {exchange}")
        elif exchange.sent <= killed:
            self.tally.in_flight += 1
        else:
            self.tally.on_dead += 1

    def _judge_answer(self, exchange: Exchange) -> None:
        shown = Shown.of(exchange.body)
        self.tally.answered[exchange.kind] += 1
        if shown.mixed:
            self.tally.wrong.append(f"mixed: {shown.mixed} in {exchange}")
        allowed = self._served_between(exchange.sent, exchange.received)
        retired = self._retired.get(shown.pid)
        if retired is None and shown.pid not in self._known:
            retired = self._short_lived
        if retired is not None and exchange.received > retired.since:
            self.tally.retired += 1
            allowed |= retired.served
            if exchange.opened > retired.since:
                self.tally.wrong.append(f"by a process that takes nothing more: {exchange}")
            elif exchange.sent > retired.since and not exchange.is_last:
                self.tally.wrong.append(f"the connection should have ended: {exchange}")
        if shown.numbers not in allowed:
            self.tally.wrong.append(f"not one of {sorted(allowed)}: {exchange}")

    def _served_between(self, begin: float, end: float) -> frozenset[Numbers]:
        allowed: frozenset[Numbers] = frozenset()
        for (since, states), (until, _) in zip(
            self._epochs, [*self._epochs[1:], (float("inf"), None)], strict=True
        ):
            if since <= end and until >= begin:
                allowed |= states
        return allowed
