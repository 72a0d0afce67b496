"""The storm itself: which step comes next, and whether it came to what the model says."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from servers.handover_load import Load
from servers.process import free_port
from servers.storm import site
from servers.storm.model import CONF, LATE, LEAF, LEFT, MIDDLE, PAGE, RIGHT, Expected, Model, Text
from servers.storm.people import CAP, People
from servers.storm.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.storm.model import State
    from servers.storm.watch import Numbers

RATE, IDLE = 60.0, 20
# For how long a change is on trial that is not confirmed.
EXPIRES = "3s"
# A worker that ends so soon after it was replaced is not replaced once more: `cli.team_server`.
BETWEEN_KILLS = 7.0
# After how many steps it is told how far it is.
_TOLD_EACH = 100
# Those that are edited alone.
_SINGLE = (LEAF, MIDDLE, LATE, CONF)
# Step -> how often it comes.
_WEIGHTS = {
    "save": 6,
    "save_two": 2,
    "save_page": 3,
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
    "trial": 1,
    "trial_expires": 1,
}


class StormFailed(Exception):
    """A step came to something else than the model says; the message has all that is known."""


class Storm:
    """A server, the load on it, and the steps.

    Args:
        folder: an empty one.
        runtime: a folder with a short path, for sockets.
        seed: of the steps; an odd one serves an ASGI application, an even one WSGI.
        workers: how many serve.
    """

    def __init__(self, folder: Path, runtime: Path, seed: int, workers: int = 2) -> None:
        self._seed, self._workers = seed, workers
        self._random = random.Random(seed)
        state = site.first_state()
        site.make(folder, "asgi" if seed % 2 else "wsgi", state)
        self.model = Model(dict(state), dict(state))
        self.watch = Watch(state)
        self._port = free_port()
        options = ("--workers", str(workers), "--handover", "auto")
        self.people = People(folder, self._port, runtime, options)
        # The steps in words, and how often each kind was done.
        self.steps: list[str] = []
        self.counts: Counter[str] = Counter()
        self._number = 1
        self._killed = 0.0
        self._dead: set[int] = set()
        # The numbers of generations that were told, for `rollback --to`; and by process the last.
        self._told = [1]
        self._numbers: dict[int, int] = {}

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

    def summary(self) -> str:
        """What was done, and what the load was told, in words."""
        tally = self.watch.tally
        steps = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        answered = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.answered.items()))
        return (
            f"seed {self._seed}, {self._workers} workers, {len(self.steps)} steps: {steps}\n"
            f"answered: {answered}; {tally.retired} by processes that others had taken over from\n"
            f"lost with killed workers: {tally.in_flight} under way, {tally.on_dead} sent later on"
            f" their connections\nwrong: {len(tally.wrong)}"
        )

    def _begin(self) -> None:
        self._until(lambda seen: len(seen) == self._workers, 0.0, f"{self._workers} workers")
        self._begins(set(self.watch.latest(0.0)))

    def _step(self) -> None:
        kinds = [kind for kind in _WEIGHTS if self._can(kind)]
        (kind,) = self._random.choices(kinds, [_WEIGHTS[kind] for kind in kinds])
        self.counts[kind] += 1
        before, pids = dict(self.model.served), set(self.model.histories)
        done: Callable[[], Expected] = getattr(self, f"_{kind}")
        self.steps.append(kind)
        self._hear()
        expected = done()
        self._await(expected, before, pids)
        self.watch.judge()
        self._check()
        if len(self.steps) % _TOLD_EACH == 0:
            print(self.summary(), file=sys.stderr, flush=True)

    def _can(self, kind: str) -> bool:
        if kind == "kill_and_save" and self._workers == 1:
            # None is left that could tell what comes of it.
            return False
        if kind in ("kill", "kill_and_save"):
            return time.monotonic() - self._killed > BETWEEN_KILLS
        if kind in ("repair", "restore"):
            return bool(self._unserved())
        if kind.startswith("trial"):
            # Otherwise something is refused, or waits for fresh processes, and no trial begins.
            return self.model.wanted() == self.model.served
        return True

    # The steps. Each says what it is about to do, and returns what must come of it.

    def _save(self) -> Expected:
        return self._saves({self._random.choice(_SINGLE): self._text()})

    def _save_two(self) -> Expected:
        text = self._text()
        return self._saves({LEFT: text, RIGHT: text})

    def _save_page(self) -> Expected:
        return self._saves({PAGE: self._text()})

    def _break(self) -> Expected:
        how = self._random.choice(["syntax", "raises", "check"])
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
        files = [str(site.path_of(Path(), name)) for name in names]
        return self._types(lambda: self.model.accept(names), "accept", *files)

    def _handover(self) -> Expected:
        return self._types(self.model.handover, "handover")

    def _hold(self) -> Expected:
        """Several saves that are one change."""
        self._type("update", "--hold")
        how = self._random.choice(["", "", "raises"])
        first, second = self._random.sample((LEAF, MIDDLE, LATE), 2)
        texts = {first: self._text(), second: self._text(how)}
        for name, text in texts.items():
            self.people.save({name: text})
        self.steps[-1] += f" {texts}"
        return self._types(lambda: self.model.release(texts), "update", "--release")

    def _trial(self) -> Expected:
        """A change is on trial, is changed once more, and is confirmed."""
        before, pids = dict(self.model.served), set(self.model.histories)
        expected = self._puts_on_trial("1h")
        self._await(expected, before, pids)
        before = dict(self.model.served)
        self._await(self._saves({self._random.choice((LEAF, MIDDLE)): self._text()}), before, pids)
        code, out = self._type("confirm")
        if code != 0:
            self._fail(f"confirm ended with {code}: {out}")
        self.model.confirm()
        return Expected()

    def _trial_expires(self) -> Expected:
        """A change is on trial, and is not confirmed."""
        before, pids = dict(self.model.served), set(self.model.histories)
        self._puts_on_trial(EXPIRES)
        # The number of what is on trial is known before it is left.
        self._until_told("published", pids - self._dead)
        return self._expects(lambda: self.model.expires(before))

    def _puts_on_trial(self, within: str) -> Expected:
        self._type("update", "--hold")
        texts = {self._random.choice((LEAF, MIDDLE, LATE)): self._text()}
        self.people.save(texts)
        self.steps[-1] += f" {texts}"
        words = ("update", "--release", "--confirm-within", within)
        self.model.puts_on_trial()
        return self._types(lambda: self.model.release(texts), *words)

    def _kill(self) -> Expected:
        self._kills()
        return Expected(replaces=True)

    def _kill_and_save(self) -> Expected:
        self._kills()
        saved = self._saves({self._random.choice((LEAF, MIDDLE, LATE)): self._text()})
        return replace(saved, replaces=not saved.takes_over)

    # How they are done.

    def _saves(self, texts: State) -> Expected:
        self.steps[-1] += f" {texts}"
        expected = self._expects(lambda: self.model.save(texts))
        self.people.save(texts)
        return expected

    def _types(self, model: Callable[[], Expected], *words: str) -> Expected:
        expected = self._expects(model)
        code, out = self._type(*words)
        if code != expected.code:
            self._fail(f"transfuse {' '.join(words)} ended with {code}: {out}\n{expected}")
        return expected

    def _type(self, *words: str) -> tuple[int, str]:
        self.steps[-1] += f" transfuse {' '.join(words)}"
        return self.people.type(*words)

    def _kills(self) -> None:
        pid = self._random.choice(sorted(self.model.histories))
        self.steps[-1] += f" {pid}"
        self.watch.kill(self.people.kill(pid), pid)
        self._killed = time.monotonic()
        self._dead.add(pid)
        self.model.kill(pid)

    def _expects(self, model: Callable[[], Expected]) -> Expected:
        before = self.model.served
        expected = model()
        self.watch.may_serve(before, self.model.served, *expected.passed)
        return expected

    # Whether they came to what they must.

    def _await(self, expected: Expected, before: State, pids: set[int]) -> None:
        """Wait until a step is over.

        Args:
            expected: what it must come to.
            before: what was served before it.
            pids: the workers before it.
        """
        since = time.monotonic()
        stay = pids - self._dead
        shown = site.numbers(self.model.served)

        def has_taken_over() -> bool:
            seen = self.watch.latest(since)
            return len({pid for pid in seen if seen[pid] == shown} - pids) == self._workers

        if expected.outcome:
            told_by = stay & (expected.told_by or stay)
            is_overtaken = has_taken_over if expected.overtaken is not None else bool
            if not self._until_told(expected.outcome, told_by, is_overtaken):
                self.model.fresh = expected.overtaken

        def is_served(seen: dict[int, Numbers]) -> bool:
            fresh = {pid for pid, numbers in seen.items() if numbers == shown} - pids
            if expected.takes_over:
                return len(fresh) == self._workers
            stays = all(seen.get(pid) == shown for pid in stay)
            return stays and len(fresh) == int(expected.replaces)

        self._until(is_served, since, f"{expected}: {shown}")
        self.watch.may_serve(self.model.served)
        serving = {pid for pid, seen in self.watch.latest(since).items() if seen == shown}
        if expected.takes_over:
            self.watch.retire(pids, before, *expected.passed)
        self._begins(serving - pids)

    def _until(self, so: Callable[[dict[int, Numbers]], bool], since: float, what: str) -> None:
        if not self.watch.until(so, since, CAP):
            self._fail(f"not in {CAP} s: {what}; instead:\n{self.watch.seen()}")

    def _until_told(
        self, outcome: str, pids: set[int], is_overtaken: Callable[[], bool] = bool
    ) -> bool:
        """Wait until each of these workers has told that an update came to this.

        Returns:
            False if others have taken over from all of them, and none has told it.
        """
        told: dict[int, str] = {}
        deadline = time.monotonic() + CAP
        while any(told.get(pid) != outcome for pid in pids):
            if time.monotonic() > deadline:
                self._fail(f"not {outcome} in {CAP} s: {told}")
            is_over = is_overtaken()
            time.sleep(0.005)  # between two looks at the log, until the deadline
            told.update(self._hear())
            if is_over:
                return outcome in told.values()
        return True

    def _hear(self) -> dict[int, str]:
        """Hear what the workers tell; return what the last update of each came to."""
        told: dict[int, str] = {}
        for event in self.people.events():
            pid = event["pid"]
            if event["event"] == "update":
                told[pid] = "fixed" if event["fixed"] else event["outcome"]
            if "generation" in event:
                self._numbers[pid] = event["generation"]
                self._renumber(pid)
        return told

    def _begins(self, pids: set[int]) -> None:
        self._hear()
        for pid in pids:
            self.model.begins(pid)
            self.watch.begins(pid)
            self._renumber(pid)

    def _renumber(self, pid: int) -> None:
        """Take over the number that a worker has told of what it serves."""
        number, history = self._numbers.get(pid), self.model.histories.get(pid)
        if number is not None and history is not None:
            history.renumber(number)
            if number not in self._told:
                self._told.append(number)

    def _check(self) -> None:
        if self.watch.tally.wrong:
            self._fail("\n".join(self.watch.tally.wrong[:10]))

    def _fail(self, why: str) -> None:
        steps = "\n".join(f"{number} {step}" for number, step in enumerate(self.steps, 1))
        log = self.people.server.log[-20_000:]
        raise StormFailed(
            f"{why}\n\nseed {self._seed}, steps:\n{steps}\n\nmodel: {self.model}\n\nlog:\n{log}"
        )

    # Of what steps are made.

    def _text(self, broken: str = "") -> Text:
        self._number += 1
        return Text(self._number, broken)

    def _unserved(self) -> list[str]:
        """The files that have other content than what is served."""
        served = self.model.served
        return sorted(name for name, text in self.model.disk.items() if text != served[name])


def _with_its_twin(name: str) -> tuple[str, ...]:
    """The files that are saved with this one."""
    return (LEFT, RIGHT) if name in (LEFT, RIGHT) else (name,)
