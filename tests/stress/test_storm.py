"""P1, P2, P3, P9 by storm: many threads and tasks, two writers, and not one mixed answer.

No thread waits for another. Both writers save their chains (`chains`) and ask for updates at
the same time, so an update may find what the other one has just saved. Readers hold open what they
began: generators, coroutines, asynchronous generators, and pins with what was pickled under them.
What is held open is let go of once the world has gone on to another generation.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from stress.chains import LINKS, Chain
from stress.scale import times
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import LiveTree
    from transfuse.updates.reports import Report

THREADS = 6
TASKS = 20
# In the slow profile: 1,000 updates, and more than 1,000,000 calls.
UPDATES = times(30, 1_000)
CALLS = times(5_000, 1_000_000)
CAP = times(60, 1_800)
# How many generators, and how many pickles, a reader holds open at a time.
HELD = 3


class Storm:
    """Readers that go on until the writers have ended, and what they have found wrong."""

    def __init__(self, tree: LiveTree) -> None:
        self.chains = {name: Chain(tree.root, name) for name in "ab"}
        self.over = threading.Event()
        self.start = threading.Barrier(THREADS + 3)
        # Each reader adds to lists of its own.
        self.calls: list[int] = []
        self.wrong: list[str] = []
        # By how many generations the world went on while something was open, by its kind:
        # "generator" to [1, 1, 4].
        self.spanned: dict[str, list[int]] = {}
        # What is current, and the updates so far: as it was told, which is a moment late. `status`
        # would collect garbage each time.
        self.generation, self.updates = 1, 0
        # The writers that are in an update now, and how often both were.
        self.updating: set[str] = set()
        self.at_once = 0

    def heard(self, report: Report) -> None:
        self.generation = report.generation
        self.updates += report.outcome == "published"

    def enough(self) -> bool:
        return self.over.is_set() and sum(self.calls) >= CALLS

    def check(self, what: str, versions: tuple[int, ...]) -> None:
        if len(versions) != LINKS or len(set(versions)) != 1:
            self.wrong.append(f"{what}: {versions}")

    def ended(self, kind: str, since: int) -> None:
        """Note how long something was open."""
        grown = self.generation - since
        self.spanned.setdefault(kind, []).append(grown)

    def write(self, name: str) -> int:
        """Save and update, without regard to the other one; return how often."""
        chain = self.chains[name]
        self.start.wait(CAP)
        version = 1
        while self.updates < UPDATES:
            version += 1
            chain.save(version)
            self.updating.add(name)
            self.at_once += len(self.updating) > 1
            report = transfuse.update()
            self.updating.discard(name)
            if report.outcome == "refused":
                self.wrong.append(f"refused: {report.traceback}")
            if transfuse.import_module(chain.first).VERSION != version:
                self.wrong.append(f"{name} is not {version} after an update")
        return version - 1

    def read(self, number: int) -> None:
        self.calls.append(0)
        mine = len(self.calls) - 1
        self.start.wait(CAP)
        generators: list[tuple[int, Iterator[int], list[int]]] = []
        pickles: list[tuple[Any, str, type, bytes]] = []
        for turn in itertools.count(number):
            over = self.enough()
            chain = self.chains["ab"[turn % 2]]
            with transfuse.pin() as pin:
                module = transfuse.import_module(chain.first)
                first = module.ask()
                self.check("a chain", first)
                self.check("the same again", (*module.ask()[:-1], first[0]))
                if len(generators) < HELD and not over:
                    steps = module.steps()
                    generators.append((pin.generation, steps, [next(steps)]))
            if len(pickles) < HELD and not over:
                pickles.append(self.pickled(f"{chain.name}.link{turn % LINKS}"))
            # A generator that is held open over updates goes on with the code it began with.
            now = self.generation
            if generators and (over or generators[0][0] < now):
                since, steps, seen = generators.pop(0)
                self.ended("generator", since)
                seen.extend(steps)
                self.check("a generator", tuple(seen))
            if pickles and (over or pickles[0][0].generation < now):
                self.unpickle(*pickles.pop(0))
            self.calls[mine] += 2 * LINKS
            if over and not generators and not pickles:
                return

    def pickled(self, name: str) -> tuple[Any, str, type, bytes]:
        """Pickle an object of live code in a unit of work that goes on."""
        pin = transfuse.pin()
        pin.resume()
        mark = transfuse.import_module(name).Mark
        data = pickle.dumps(mark())
        pin.suspend()
        return pin, name, mark, data

    def unpickle(self, pin: Any, name: str, mark: Any, data: bytes) -> None:
        """Load it where it was pickled, and where nothing is pinned."""
        found: Any
        self.ended("pickle", pin.generation)
        pin.resume()
        found = pickle.loads(data)
        pin.suspend()
        if type(found) is not mark or found.same() != found.version:
            self.wrong.append(f"pickled by {mark.version}, found {found.version}")
        pin.end()
        before = transfuse.import_module(name).Mark
        found = pickle.loads(data)
        after = transfuse.import_module(name).Mark
        if before is after and type(found) is not after:
            self.wrong.append(f"not the current class, but that of {found.version}")

    def tasks(self) -> None:
        self.calls.append(0)
        mine = len(self.calls) - 1
        self.start.wait(CAP)

        async def gone_on(since: int, gate: asyncio.Event) -> None:
            while self.generation == since and not self.over.is_set():
                await asyncio.sleep(0)
            gate.set()

        async def collect(drops: Any) -> tuple[int, ...]:
            return tuple([each async for each in drops])

        ways: dict[str, Callable[[Any, asyncio.Event], Any]] = {
            "coroutine": lambda module, gate: module.wait(gate),
            "asynchronous generator": lambda module, gate: collect(module.drops(gate)),
        }

        async def unit(number: int) -> None:
            for turn in itertools.count(number):
                if self.enough():
                    return
                gate, kind = asyncio.Event(), list(ways)[turn % 2]
                with transfuse.pin() as pin:
                    module = transfuse.import_module(self.chains["ab"[turn // 2 % 2]].first)
                    before = module.ask()
                    await asyncio.sleep(0)
                    self.check("a task", (*before[:-1], module.ask()[0]))
                    began = asyncio.create_task(ways[kind](module, gate))
                    await asyncio.sleep(0)
                    since = pin.generation
                    if turn % 3:
                        # The unit of work goes on as well; else what it began goes on alone.
                        await gone_on(since, gate)
                        self.check(f"a pinned {kind}", await began)
                await gone_on(since, gate)
                self.ended(kind, since)
                self.check(f"a {kind}", await began)
                self.calls[mine] += 3 * LINKS

        async def all_of_them() -> None:
            await asyncio.gather(*(unit(number) for number in range(TASKS)))

        asyncio.run(all_of_them())


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns far more often than usual, so that races are likely."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.timeout(CAP + 60)
@pytest.mark.usefixtures("hasty")
def test_p2_p3_p9_no_unit_of_work_sees_a_mix(tree: LiveTree, policy: str) -> None:
    storm = Storm(tree)
    tree.install(policy=policy, keep=1, resident=1_000)
    unsubscribe = transfuse.on_update(storm.heard)
    readers = [Worker(partial(storm.read, number)) for number in range(THREADS)]
    readers.append(Worker(storm.tasks))
    writers = [Worker(partial(storm.write, name)) for name in "ab"]
    saved = [writer.result(CAP) for writer in writers]
    unsubscribe()
    storm.over.set()
    for reader in readers:
        reader.result(CAP)
    assert storm.wrong[:5] == []
    assert storm.updates >= UPDATES
    assert min(saved) >= UPDATES // 4
    assert sum(storm.calls) >= CALLS
    # The storm was one: both wrote at once, and what was held open saw other generations come.
    assert storm.at_once >= UPDATES // 4
    kinds = {"generator", "pickle", "coroutine", "asynchronous generator"}
    assert set(storm.spanned) == kinds
    for kind in kinds:
        grown = [each for each in storm.spanned[kind] if each > 0]
        assert len(grown) >= max(5, len(storm.spanned[kind]) // 2), (kind, storm.spanned[kind])
    assert transfuse.status().draining == ()


@pytest.mark.slow
@pytest.mark.timeout(CAP + 60)
@pytest.mark.usefixtures("hasty")
def test_p2_p5_updates_while_everything_is_loaded_for_the_first_time(
    tree: LiveTree, policy: str
) -> None:
    """What a thread loads between the plan of an update and its staging is of no old source."""
    for turn in range(times(8, 1_000)):
        chain = Chain(tree.root, "a")
        tree.install(policy=policy, keep=1)
        over, start = threading.Event(), threading.Barrier(4)
        wrong: list[tuple[int, ...]] = []

        def read(
            chain: Chain, over: threading.Event, start: threading.Barrier, wrong: list[Any]
        ) -> None:
            start.wait(CAP)
            while not over.is_set():
                with transfuse.pin():
                    steps = transfuse.import_module(chain.first).steps()
                    seen = [next(steps)]
                # Its pin is over: what it goes on to import is still of its own generation.
                seen.extend(steps)
                if len(set(seen)) != 1:
                    wrong.append(tuple(seen))

        readers = [Worker(partial(read, chain, over, start, wrong)) for _ in range(3)]
        start.wait(CAP)
        for version in range(2, 5):
            chain.save(version)
            tree.published()
        over.set()
        for reader in readers:
            reader.result(CAP)
        assert wrong[:3] == [], f"turn {turn}"
        transfuse.uninstall()
        for link in range(LINKS):
            sys.modules.pop(f"a.link{link}", None)
        sys.modules.pop("a", None)
