"""What must be served after each step? Pure: it knows neither files nor processes.

A state says which text of each file answers. The model keeps three: what is on disk, what is
served, and what a rollback has left. Each worker has a history, of which one that is started later
gets what is kept on disk.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

# The modules of the application: see `site`. One of them waits for fresh processes. The last one is
# no module: it is read by requests, as a template is.
LEAF, MIDDLE, LATE, LEFT, RIGHT, CONF, PAGE = FILES = (
    "leaf",
    "middle",
    "late",
    "left",
    "right",
    "conf",
    "page",
)
# How many former states can be gone back to.
KEEP = 3


@dataclass(frozen=True)
class Text:
    """The content of a file.

    Attributes:
        number: which it is; the module shows it.
        broken: how it is refused: ``"syntax"`` or ``"raises"`` when it is loaded, ``"check"`` by
            the check; empty if it is served.
    """

    number: int
    broken: str = ""


State = dict[str, Text]


@dataclass
class Served:
    """A generation that was served.

    Attributes:
        number: of the generation.
        state: what answered.
        before: the number of the one that a rollback from it goes back to; None: none.
        partial: whether the rest of its change waits for fresh processes.
    """

    number: int
    state: State
    before: int | None
    partial: bool = False


@dataclass
class History:
    """What one worker can go back to.

    Attributes:
        current: what it serves.
        kept: what it has served, the oldest first.
        protected: the number of the one to which a trial goes back, which is kept beside the
            others; until the next is served after the trial.
    """

    current: Served
    kept: list[Served] = field(default_factory=list)
    protected: int | None = None
    # Number -> that of the generation which has taken its place.
    _same: dict[int, int] = field(default_factory=dict)

    def publish(self, number: int, state: State, *, partial: bool) -> None:
        """Another state is served."""
        self._become(Served(number, dict(state), self.current.number, partial))

    def go_back(self, number: int, state: State, to: int | None) -> None:
        """A former state is served again.

        Args:
            number: of the new generation.
            state: what it serves.
            to: its number for the worker that was asked; None: it has none.
        """
        named = None if to is None else self.target(to)
        same = [each for each in self.kept if each.state == state]
        # Each of several equal states has another one before it.
        target = named if named in same else next(reversed(same), None)
        served = Served(number, dict(state), None if target is None else target.before)
        if target is not None:
            self.kept.remove(target)
        self._become(served)
        if target is not None:
            self._lead(target.number, number)

    def renumber(self, number: int) -> None:
        """What is served has another number by now: a generation that answers the same."""
        old, self.current.number = self.current.number, number
        if old != number:
            self._lead(old, number)

    def target(self, to: int | None) -> Served | None:
        """What a rollback goes back to; None: it is refused."""
        number = self.current.before if to is None else to
        if number is not None:
            number = self._same.get(number, number)
        return next((each for each in self.kept if each.number == number), None)

    def of_new_process(self, number: int, state: State, back_to: int | None = None) -> History:
        """Return what a process can go back to that begins with this state.

        Args:
            number: of its first generation.
            state: what it serves.
            back_to: the generation that it is started to serve again; None: none.
        """
        all_served = [*self.kept, self.current]
        last = self.current
        while last.partial:
            # What it is a part of comes with this process.
            found = [each for each in all_served if each.number == last.before]
            if not found:
                break
            last = found[0]
        before: int | None = last.number
        if back_to is None:
            back_to = self.current.number
        same = [each for each in all_served if each.state == state]
        for each in same:
            if each.number == back_to:
                before = each.before
        others = [replace(each) for each in all_served if each.state != state]
        made = History(Served(number, dict(state), before), others[-KEEP:])
        known = {each.number for each in (*made.kept, *same)}
        made._same = {old: to for old, to in self._same.items() if to in known}
        for each in same:
            made._lead(each.number, number)
        return made

    def _lead(self, old: int, new: int) -> None:
        """One generation has taken the place of another."""
        for each in (*self.kept, self.current):
            if each.before == old:
                each.before = new
        if self.protected == old:
            self.protected = new
        self._same = {one: new if to == old else to for one, to in self._same.items()}
        self._same[old] = new

    def _become(self, served: Served) -> None:
        self.kept.append(self.current)
        while len(counted := [each for each in self.kept if each.number != self.protected]) > KEEP:
            oldest = counted[0]
            self.kept.remove(oldest)
            self._same = {old: to for old, to in self._same.items() if to != oldest.number}
        self.current = served


@dataclass(frozen=True)
class Expected:
    """What a step must come to.

    Attributes:
        outcome: what each worker reports: ``"published"``, ``"refused"``, ``"rolled back"``,
            ``"fixed"``; empty: nothing.
        code: the exit code of the command.
        takes_over: whether fresh processes must serve in the end.
        passed: what may be served in between; nothing, unless fresh processes take over.
        replaces: whether another worker must take the place of one that was killed.
        told_by: the workers that tell the outcome; None: all.
        overtaken: the history of the fresh processes if they take over before the workers tell
            the outcome: those of a former step may still have been loading. None: there are none.
    """

    outcome: str = ""
    code: int = 0
    takes_over: bool = False
    passed: tuple[State, ...] = ()
    replaces: bool = False
    told_by: frozenset[int] | None = None
    overtaken: History | None = None


@dataclass
class Model:
    """All that must be so.

    Attributes:
        disk: the content of the files.
        served: what answers.
        aside: what a rollback has left, and is still on disk.
        number: that of what was served last, until its worker tells another: below 0, because
            the workers count from 1 on.
        histories: process id -> what that worker can go back to.
        failing: the workers by which the last update was refused.
        waiting: what waits for fresh processes since the last update that was published.
        fresh: the history with which fresh processes begin.
        tried: process id -> what that worker has refused last: not tried again by itself.
        attempts: whether fresh processes may be loading what was found broken last.
    """

    disk: State
    served: State
    aside: State = field(default_factory=dict)
    number: int = 0
    histories: dict[int, History] = field(default_factory=dict)
    failing: set[int] = field(default_factory=set)
    waiting: Text | None = None
    fresh: History | None = None
    tried: dict[int, State] = field(default_factory=dict)
    attempts: bool = False

    def begins(self, pid: int) -> None:
        """A worker has begun to serve."""
        known = next(iter(self.histories.values()), self.fresh)
        if known is None:
            self.histories[pid] = History(Served(self.number, dict(self.served), None))
        else:
            self.histories[pid] = known.of_new_process(self.number, self.served)
        self.tried[pid] = self._differing(self.wanted())
        if known is self.fresh:
            # No others have given it what they serve, so it has tried the rest by itself.
            broken = {name for name, text in self.tried[pid].items() if text.broken}
            self.failing |= {pid} if broken - {CONF} else set()
            self.attempts = bool(broken) and CONF in self.tried[pid]

    def kill(self, pid: int) -> Expected:
        """A worker is killed."""
        gone = self.histories.pop(pid)
        if not self.histories:
            # The next one has its past from the disk, and tries again what was refused.
            self.fresh = gone.of_new_process(self.number, self.served)
        self.failing.discard(pid)
        return Expected(replaces=True)

    def wanted(self) -> State:
        """What would be served if all of it loaded."""
        aside = self.aside
        return {
            name: self.served[name] if aside.get(name) == text else text
            for name, text in self.disk.items()
        }

    # The steps.

    def save(self, texts: State, *, is_asked_for: bool = False) -> Expected:
        """Files are saved."""
        self.disk.update(texts)
        self.aside = {name: text for name, text in self.aside.items() if self.disk[name] == text}
        return self._update(is_asked_for=is_asked_for)

    def release(self, texts: State) -> Expected:
        """`transfuse update --release`, after a hold under which files were saved."""
        expected = self.save(texts, is_asked_for=True)
        return replace(expected, code=int(expected.outcome == "refused"))

    def accept(self, names: tuple[str, ...]) -> Expected:
        """`transfuse accept`; of all files, if none is named."""
        accepted = {name: self.aside.pop(name) for name in names or FILES if name in self.aside}
        failing, tried = set(self.failing), dict(self.tried)
        expected = self._update(is_asked_for=True)
        if expected.outcome == "refused":
            self.aside.update(accepted)
            # Only the worker that was asked has tried.
            asked = self._asked()
            self.failing = failing | {asked}
            self.tried = {**tried, asked: self.tried[asked]}
            return Expected(code=1)
        return expected

    def rollback(self, to: int | None = None) -> Expected:
        """`transfuse rollback`."""
        history = self.histories[self._asked()]
        target = history.target(to)
        if target is None or target.state == self.served:
            return Expected(code=2)
        if target.state[CONF] != self.served[CONF]:
            self.aside = {
                name: text for name, text in self.disk.items() if text != target.state[name]
            }
            self._take_over(target.state, history, target.number)
            return Expected(takes_over=True)
        self._serve_again(target.state, target.number)
        return Expected("rolled back")

    def _serve_again(self, state: State, to: int | None) -> None:
        self.served = dict(state)
        self.number -= 1
        for history in self.histories.values():
            history.go_back(self.number, self.served, to)
        self.failing, self.waiting, self.tried = set(), None, {}
        self.attempts = False
        served = self.served
        self.aside = {name: text for name, text in self.disk.items() if text != served[name]}

    def puts_on_trial(self) -> None:
        """What is served from now on is on trial."""
        for history in self.histories.values():
            history.protected = history.current.number

    def confirm(self) -> None:
        """What is on trial stays."""
        for history in self.histories.values():
            history.protected = None

    def expires(self, before: State) -> Expected:
        """What is on trial is not confirmed in time.

        Args:
            before: what was served before the trial.
        """
        self._serve_again(before, self.histories[self._asked()].protected)
        self.confirm()
        return Expected("rolled back")

    def handover(self) -> Expected:
        """`transfuse handover`."""
        wanted = self.wanted()
        if any(text.broken for text in wanted.values()):
            return Expected(code=1)
        self._take_over(wanted)
        return Expected(takes_over=True)

    def _asked(self) -> int:
        """The worker that a command asks first: the one that can go back furthest."""
        return min(self.histories, key=lambda pid: (-len(self.histories[pid].kept), pid))

    def _differing(self, wanted: State) -> State:
        return {name: text for name, text in wanted.items() if text != self.served[name]}

    def _update(self, *, is_asked_for: bool) -> Expected:
        wanted = self.wanted()
        differs = self._differing(wanted)
        in_place = set(differs) - {CONF}
        waiting = wanted[CONF] if CONF in differs else None
        outcome, told_by = "", None
        under_way = deepcopy(next(iter(self.histories.values()))) if self.attempts else None
        is_broken = any(text.broken for text in wanted.values())
        self.attempts = waiting is not None and is_broken
        before, self.tried = self.tried, {pid: {} for pid in self.histories}
        if any(wanted[name].broken for name in in_place):
            self.tried = dict.fromkeys(self.histories, differs)
            news = {pid for pid in self.histories if before.get(pid) != differs}
            if not news and not is_asked_for:
                return Expected()
            told_by = None if is_asked_for else frozenset(news)
            outcome, self.failing = "refused", set(self.histories)
        elif in_place or waiting not in (None, self.waiting):
            outcome, self.failing, self.waiting = "published", set(), waiting
            self.number -= 1
            if in_place:
                self.served = {**wanted, CONF: self.served[CONF]}
                for history in self.histories.values():
                    history.publish(self.number, self.served, partial=waiting is not None)
        else:
            taken_back = self.waiting is not None and waiting is None
            told_by = frozenset(self.histories if taken_back else self.failing)
            outcome, self.failing, self.waiting = "fixed" if told_by else "", set(), waiting
        if waiting is not None and not is_broken:
            passed = (self.served,)
            self._take_over(wanted)
            overtaken = under_way and under_way.of_new_process(self.number, self.served)
            return Expected(
                outcome, takes_over=True, passed=passed, told_by=told_by, overtaken=overtaken
            )
        return Expected(outcome, told_by=told_by)

    def _take_over(
        self, state: State, past: History | None = None, back_to: int | None = None
    ) -> None:
        """Fresh processes serve this, and can go back to what was served before."""
        self.served = dict(state)
        self.number -= 1
        past = past or next(iter(self.histories.values()))
        self.fresh = past.of_new_process(self.number, self.served, back_to)
        self.histories.clear()
        self.failing, self.waiting, self.tried = set(), None, {}
        self.attempts = False
