"""Which team serves, which one is starting, and when does one take over from the other?

A pure state machine: what processes say goes in, orders come out. It knows neither sockets nor
processes nor clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# How often in a row fresh processes are started anew because the former ones have served something
# else since: a program that saves files without end must not keep others from being served.
OUTRUN = 3


@dataclass(frozen=True)
class Tell:
    """Send an order to a process.

    Attributes:
        pid: its process id.
        order: such as ``{"do": "serve"}``.
    """

    pid: int
    order: dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Start the processes of a team.

    Attributes:
        team: its number.
    """

    team: int


@dataclass(frozen=True)
class End:
    """End the processes of a team that will never serve.

    Attributes:
        team: its number.
    """

    team: int


@dataclass(frozen=True)
class Settle:
    """A handover is over.

    Attributes:
        team: the team that serves now.
        why: why the other one does not; None if the handover was made.
        trace: the traceback that goes with it, of the user's frames; else empty.
    """

    team: int
    why: str | None = None
    trace: str = ""


Order = Tell | Start | End | Settle


@dataclass
class Teams:
    """Decides for all teams.

    Attributes:
        serving: the team that serves.
        starting: the team that is starting to take over from it, or None.
    """

    serving: int = 0
    starting: int | None = None
    # Process id -> its team, for processes that have said that they are there. Entries leave when
    # the process ends.
    teams: dict[int, int] = field(default_factory=dict)
    # The processes of the starting team that are to become ready, and those that have.
    _awaited: set[int] = field(default_factory=set)
    _ready: set[int] = field(default_factory=set)
    # Those of them that serve, once all have been ready and were told to; None before.
    _begun: set[int] | None = None
    # The processes that serve and hold their updates, because the others are ready; of them those
    # that have not said yet what they serve.
    _held: set[int] = field(default_factory=set)
    _unsaid: set[int] = field(default_factory=set)
    # The generation that the starting team follows, and the last one that the former has served.
    _follows: int = 0
    _served: int = 0
    # How often in a row fresh processes were started anew because the former ones had gone on.
    _outrun: int = 0
    # Process id and number of the questions to which the end of the handover is the answer.
    _askers: list[tuple[int, int]] = field(default_factory=list)
    # Those that have come while it was under way. If it fails, they get one of their own: it may
    # have loaded what was changed since.
    _late: list[tuple[int, int]] = field(default_factory=list)
    # Whether there is to be another handover after this one, and after this one if it fails.
    _again: bool = False
    _retry: bool = False
    # The processes that have asked for the handover under way, and those that did so by themselves.
    _wanted_by: set[int] = field(default_factory=set)
    _by_themselves: set[int] = field(default_factory=set)
    _last: int = 0

    def joins(self, pid: int, team: int) -> None:
        """A process says that it is there."""
        self.teams[pid] = team

    def asks(self, pid: int, number: int | None) -> list[Order]:
        """A process asks for a handover; with a number it waits to be told how that ended.

        One that waits may be one that others have taken over from: the command line asks any.
        """
        team = self.teams.get(pid)
        if number is not None:
            (self._askers if self.starting is None else self._late).append((pid, number))
        elif team not in (self.serving, self.starting):
            return []
        if self.starting is None:
            orders = self._begin()
            self._wanted_by, self._by_themselves = {pid}, set()
            if number is None:
                self._by_themselves.add(pid)
            return orders
        if number is None:
            self._by_themselves.add(pid)
        if team == self.starting:
            # What it has just loaded is out of date already.
            self._again = True
        elif pid in self._wanted_by:
            # Something has changed since the fresh processes began to load.
            self._retry = True
        self._wanted_by.add(pid)
        return []

    def goes_back(self, pid: int, *, waits: bool = True) -> list[Order]:
        """A process that serves has gone back to former code: fresh ones are to start with that.

        Args:
            pid: its process id.
            waits: whether something still waits for fresh processes. If not, none are needed,
                unless a person has asked for them.
        """
        if self.starting is None or self.teams.get(pid) != self.serving:
            return []
        if self._begun is not None:
            # They serve what was left, and are to be taken over from at once.
            self._again = True
            return []
        if not waits and not self._askers and not self._late:
            self._retry = False
            return self._give_up("nothing waits for them any more")
        return self._begin_anew()

    def put_off(self, pid: int, why: str) -> list[Order]:
        """What a process serves is on trial: fresh processes would end that.

        Args:
            pid: its process id.
            why: in words, for those that have asked.
        """
        if self.starting is None or self._begun is not None:
            return []
        if self.teams.get(pid) != self.serving:
            return []
        self._askers += self._late
        self._late, self._retry = [], False
        told = [Tell(each, {"do": "put off"}) for each in sorted(self._by_themselves)]
        return [*self._give_up(why), *told]

    def started(self, pids: set[int], follows: int = 0) -> None:
        """The processes of the starting team have been started.

        Args:
            pids: their process ids.
            follows: the generation that they follow: the one that was served when they were asked
                for.
        """
        self._awaited, self._follows = pids, follows

    def cannot_start(self, why: str) -> list[Order]:
        """The processes of the starting team cannot be started."""
        return [] if self.starting is None else self._give_up(why)

    def ready(self, pid: int) -> list[Order]:
        """A process has imported its code, and its application has started."""
        team = self.teams.get(pid)
        if team is not None and team == self.starting:
            self._ready.add(pid)
            if self._ready < self._awaited:
                return []
            # What these publish from now on would be missing in the past of the fresh ones.
            self._held = {each for each, of in self.teams.items() if of == self.serving}
            self._unsaid = set(self._held)
            held: list[Order] = [Tell(each, {"do": "hold"}) for each in sorted(self._held)]
            return held or self._switch()
        if team == self.serving:
            return [Tell(pid, {"do": "serve"})]
        return [Tell(pid, {"do": "stand down"})]

    def holds(self, pid: int, generation: int) -> list[Order]:
        """A process that serves holds its updates, and says what it serves.

        Args:
            pid: its process id.
            generation: the number of what it serves.
        """
        if pid not in self._unsaid:
            return []
        self._unsaid.discard(pid)
        self._served = max(self._served, generation)
        return self._switch() if not self._unsaid else []

    def impatient(self) -> list[Order]:
        """The processes that serve had all the time that they may have to say what."""
        self._unsaid.clear()
        return self._switch() if self.starting is not None and self._begun is None else []

    @property
    def waits_for_former(self) -> bool:
        """Whether processes are still to say what they serve."""
        return bool(self._unsaid)

    def begins(self, pid: int) -> list[Order]:
        """A process serves, as it was told to."""
        if self._begun is None or self.teams.get(pid) != self.starting:
            return []
        self._begun.add(pid)
        return self._take_over() if self._begun >= self._awaited else []

    def fails(self, pid: int, why: str, trace: str = "") -> list[Order]:
        """A process cannot become ready."""
        if self.starting is None or self.teams.get(pid) != self.starting:
            return []
        # Some serve already once all have been ready.
        return self._give_up(why, trace) if self._begun is None else []

    def ended(self, pid: int) -> list[Order]:
        """A process has ended."""
        self.teams.pop(pid, None)
        self._askers = [asker for asker in self._askers if asker[0] != pid]
        self._late = [asker for asker in self._late if asker[0] != pid]
        self._held.discard(pid)
        if pid in self._unsaid:
            self._unsaid.discard(pid)
            return [] if self._unsaid else self._switch()
        if self.starting is None or pid not in self._awaited:
            return []
        self._awaited.discard(pid)
        if self._begun is None or not self._awaited:
            return self._give_up(f"the fresh process {pid} ended before it was ready")
        # The others serve; it will be replaced.
        return self._take_over() if self._begun >= self._awaited else []

    def late(self, seconds: float) -> list[Order]:
        """The starting team has had all the time that it may have."""
        if self.starting is None or self._begun is not None or self._unsaid:
            return []
        missing = ", ".join(str(pid) for pid in sorted(self._awaited - self._ready))
        return self._give_up(f"the fresh process {missing} was not ready after {seconds:g} s")

    def _switch(self) -> list[Order]:
        """Let the fresh processes serve, or others if the former ones have gone on meanwhile."""
        if self._served > self._follows and self._outrun < OUTRUN:
            self._outrun += 1
            return self._begin_anew()
        self._begun, self._outrun = set(), 0
        return [Tell(each, {"do": "serve"}) for each in sorted(self._ready)]

    def _begin_anew(self) -> list[Order]:
        assert self.starting is not None
        return [End(self.starting), *self._let_go(), *self._begin()]

    def _let_go(self) -> list[Order]:
        """Let the processes that serve update again."""
        held, self._held, self._unsaid = self._held, set(), set()
        return [Tell(each, {"do": "go on"}) for each in sorted(held)]

    def _begin(self) -> list[Order]:
        self._last += 1
        self.starting = self._last
        self._awaited, self._ready, self._begun = set(), set(), None
        self._served = 0
        self._again = self._retry = False
        self._askers += self._late
        self._late = []
        return [Start(self.starting)]

    def _take_over(self) -> list[Order]:
        assert self.starting is not None
        former = [pid for pid, team in self.teams.items() if team == self.serving]
        self.serving, self.starting, self._begun = self.starting, None, None
        self._held = set()
        orders: list[Order] = [Settle(self.serving)]
        self._askers += self._late
        self._late = []
        # Before they retire: those who asked are among them.
        orders += self._answers(None)
        orders += [Tell(pid, {"do": "retire"}) for pid in sorted(former)]
        if self._again:
            orders += self._begin()
        return orders

    def _give_up(self, why: str, trace: str = "") -> list[Order]:
        assert self.starting is not None
        given_up, self.starting, self._begun = self.starting, None, None
        self._awaited, self._outrun = set(), 0
        orders = [End(given_up), *self._let_go()]
        orders += [*self._answers(why, trace), Settle(self.serving, why, trace)]
        if self._retry or self._late:
            orders += self._begin()
        return orders

    def _answers(self, why: str | None, trace: str = "") -> list[Order]:
        askers, self._askers = self._askers, []
        word = {"do": "answer", "why": why, "trace": trace, "team": self.serving}
        return [Tell(pid, {**word, "number": number}) for pid, number in askers]
