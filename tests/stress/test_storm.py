"""P1, P2, P3, P9 by storm: many threads and tasks, two writers, and not one mixed answer.

Every module of a chain carries the version that its writer last saved, and both writers save all of
their chain at once. So a unit of work that sees two versions in one chain has seen a mix.
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
from crew import Worker
from stress.scale import times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Tree

LINKS = 8
THREADS = 6
TASKS = 20
# In the slow profile: 1,000 updates, and more than 1,000,000 calls.
UPDATES = times(30, 1_000)
CALLS = times(5_000, 1_000_000)
CAP = times(60, 1_800)

# Half of the links import the next one at module level, half inside the function.
EAGER = """\
import {next} as following
VERSION = {version}
class Mark:
    version = VERSION
def ask():
    return (VERSION, *following.ask())
def steps():
    yield VERSION
    yield from following.steps()
"""
LAZY = """\
VERSION = {version}
class Mark:
    version = VERSION
def ask():
    import {next} as following
    return (VERSION, *following.ask())
def steps():
    yield VERSION
    from {next} import steps
    yield from steps()
"""
LAST = """\
VERSION = {version}
class Mark:
    version = VERSION
def ask():
    return (VERSION,)
def steps():
    yield VERSION
"""


def chain(name: str, version: int) -> dict[str, str]:
    files = {f"{name}0.py": LAST.format(version=version)}
    for link in range(1, LINKS):
        source = EAGER if link % 2 else LAZY
        files[f"{name}{link}.py"] = source.format(version=version, next=f"{name}{link - 1}")
    return files


class Storm:
    """Readers that go on until the writers have ended, and what they have found wrong."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.over = threading.Event()
        self.saving = threading.Lock()
        self.start = threading.Barrier(THREADS + 3)
        # Each reader adds to a list of its own.
        self.calls: list[int] = []
        self.wrong: list[str] = []

    def enough(self) -> bool:
        return self.over.is_set() and sum(self.calls) >= CALLS

    def check(self, what: str, versions: tuple[int, ...]) -> None:
        if len(versions) != LINKS or len(set(versions)) != 1:
            self.wrong.append(f"{what}: {versions}")

    def write(self, name: str) -> int:
        self.start.wait(CAP)
        published = 0
        for version in range(2, UPDATES // 2 + 2):
            with self.saving:
                self.tree.write(chain(name, version))
                report = transfuse.update()
            if report.outcome != "published":
                self.wrong.append(f"{report.outcome}: {report.traceback}")
            published += 1
        return published

    def read(self, number: int) -> None:
        self.calls.append(0)
        mine = len(self.calls) - 1
        self.start.wait(CAP)
        open_steps: list[tuple[Any, Iterator[int], list[int]]] = []
        for turn in itertools.count(number):
            if self.enough():
                break
            name = "ab"[turn % 2]
            with transfuse.pin():
                module = transfuse.import_module(f"{name}{LINKS - 1}")
                first = module.ask()
                self.check("a chain", first)
                self.check("the same again", (*module.ask()[:-1], first[0]))
                mark = transfuse.import_module(f"{name}{turn % LINKS}").Mark
                found = pickle.loads(pickle.dumps(mark()))
                if type(found) is not mark or found.version != first[0]:
                    self.wrong.append(f"pickled by {first[0]}, found {found.version}")
                steps = module.steps()
                open_steps.append((module, steps, [next(steps)]))
            # A generator that is held open over updates goes on with the code it began with.
            if len(open_steps) > 3:
                _, steps, seen = open_steps.pop(0)
                seen.extend(steps)
                self.check("a generator", tuple(seen))
            self.calls[mine] += 3 * LINKS

    def tasks(self) -> None:
        self.calls.append(0)
        mine = len(self.calls) - 1
        self.start.wait(CAP)

        async def unit(number: int) -> None:
            for turn in itertools.count(number):
                if self.enough():
                    return
                with transfuse.pin():
                    module = transfuse.import_module(f"{'ab'[turn % 2]}{LINKS - 1}")
                    before = module.ask()
                    await asyncio.sleep(0)
                    self.check("a task", (*before[:-1], module.ask()[0]))
                self.calls[mine] += 2 * LINKS

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
def test_p2_p3_p9_no_unit_of_work_sees_a_mix(tree: Tree, policy: str) -> None:
    tree.write({**chain("a", 1), **chain("b", 1)})
    tree.install(policy=policy, keep=1)
    storm = Storm(tree)
    readers = [Worker(partial(storm.read, number)) for number in range(THREADS)]
    readers.append(Worker(storm.tasks))
    writers = [Worker(partial(storm.write, name)) for name in "ab"]
    published = sum(writer.result(CAP) for writer in writers)
    storm.over.set()
    for reader in readers:
        reader.result(CAP)
    assert storm.wrong[:5] == []
    assert published == UPDATES // 2 * 2
    assert sum(storm.calls) >= CALLS
    assert transfuse.status().draining == ()


@pytest.mark.slow
@pytest.mark.timeout(CAP + 60)
@pytest.mark.usefixtures("hasty")
def test_p2_p5_updates_while_everything_is_loaded_for_the_first_time(
    tree: Tree, policy: str
) -> None:
    """What a thread loads between the plan of an update and its staging is of no old source."""
    for turn in range(times(15, 1_000)):
        tree.write(chain("a", 1))
        tree.install(policy=policy, keep=1)
        over, start = threading.Event(), threading.Barrier(4)
        wrong: list[tuple[int, ...]] = []

        def read(over: threading.Event, start: threading.Barrier, wrong: list[Any]) -> None:
            start.wait(CAP)
            while not over.is_set():
                with transfuse.pin():
                    steps = transfuse.import_module(f"a{LINKS - 1}").steps()
                    seen = [next(steps)]
                # Its pin is over: what it goes on to import is still of its own generation.
                seen.extend(steps)
                if len(set(seen)) != 1:
                    wrong.append(tuple(seen))

        readers = [Worker(partial(read, over, start, wrong)) for _ in range(3)]
        start.wait(CAP)
        for version in range(2, 5):
            tree.published(chain("a", version))
        over.set()
        for reader in readers:
            reader.result(CAP)
        assert wrong[:3] == [], f"turn {turn}"
        transfuse.uninstall()
        for link in range(LINKS):
            sys.modules.pop(f"a{link}", None)
