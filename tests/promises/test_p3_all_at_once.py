"""P3: an update of many files becomes visible at one instant or not at all."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = 4
UPDATES = 25


def reading(
    unit: Callable[[], tuple[int, ...]], stop: threading.Event
) -> Callable[[], list[set[int]]]:
    """Read until told to stop; return every different answer, as sets of values."""

    def read() -> list[set[int]]:
        seen: list[set[int]] = []
        while not stop.is_set():
            values = set(unit())
            if not seen or seen[-1] != values:
                seen.append(values)
        return seen

    return read


def read_during(unit: Callable[[], tuple[int, ...]], edits: Callable[[], None]) -> list[set[int]]:
    """Return the answers of readers in several threads while edits were made."""
    stop = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # more turns, so more chances to see a mix
    readers = [Worker(reading(unit, stop)) for _ in range(READERS)]
    try:
        edits()
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    return [values for reader in readers for values in reader.result()]


WAYS = """
    import first, second
    from first import VALUE
    def by_attribute(): return first.VALUE, second.VALUE, VALUE
    def by_import():
        import first
        from second import VALUE
        from package import third
        return first.VALUE, VALUE, third.VALUE
    """


def value(number: int) -> dict[str, str]:
    text = f"VALUE = {number}\n"
    return {"first.py": text, "second.py": text, "package/third.py": text}


@pytest.mark.parametrize("way", ["by_attribute", "by_import"])
def test_p3_readers_never_see_a_mix(tree: LiveTree, policy: str, way: str) -> None:
    tree.write({**value(0), "web.py": WAYS, "package/__init__.py": ""})
    tree.install(policy=policy)
    tree.module("web"), tree.module("package.third")

    def unit() -> tuple[int, ...]:
        with transfuse.pin():
            values: tuple[int, ...] = getattr(tree.module("web"), way)()
            return values

    def edits() -> None:
        for number in range(1, UPDATES):
            tree.published(value(number))

    answers = read_during(unit, edits)
    assert [values for values in answers if len(values) != 1] == []
    assert {UPDATES - 1} == set(unit())


def test_p3_unpinned_live_code_sees_no_mix_either(tree: LiveTree, policy: str) -> None:
    tree.write({**value(0), "web.py": WAYS, "package/__init__.py": ""})
    tree.install(policy=policy)
    tree.module("web"), tree.module("package.third")

    def edits() -> None:
        for number in range(1, UPDATES):
            tree.published(value(number))

    # Once inside the module's code, everything is of the generation that this code belongs to.
    answers = read_during(lambda: tree.module("web").by_import(), edits)
    assert [values for values in answers if len(values) != 1] == []


def test_p3_saved_together_seen_together_while_watching(tree: LiveTree, policy: str) -> None:
    tree.write({**value(0), "web.py": WAYS, "package/__init__.py": ""})
    tree.install(policy=policy, watch=True)
    tree.module("web"), tree.module("package.third")
    told, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def hold(_: object) -> None:
        told.release()
        assert go_on.acquire(timeout=CAP)

    def unit() -> tuple[int, ...]:
        with transfuse.pin():
            values: tuple[int, ...] = tree.module("web").by_import()
            return values

    def edits() -> None:
        # The updating thread is held while files are saved, so that it finds them all.
        unsubscribe = transfuse.on_update(hold)
        tree.write({"web.py": WAYS + "# 1\n"})
        for number in range(1, UPDATES):
            assert told.acquire(timeout=CAP)
            tree.write(value(number))
            go_on.release()
        assert told.acquire(timeout=CAP)
        unsubscribe()
        go_on.release()

    answers = read_during(unit, edits)
    assert [1, *[3] * (UPDATES - 1)] == [len(report.changed) for report in tree.reports]
    assert [values for values in answers if len(values) != 1] == []


def test_p3_one_that_fails_keeps_all_back(tree: LiveTree, policy: str) -> None:
    tree.write({**value(0), "web.py": WAYS, "package/__init__.py": ""})
    tree.install(policy=policy)
    tree.module("web"), tree.module("package.third")

    def unit() -> tuple[int, ...]:
        with transfuse.pin():
            values: tuple[int, ...] = tree.module("web").by_import()
            return values

    def edits() -> None:
        for number in range(1, UPDATES):
            assert tree.update({**value(number), "second.py": "1/0\n"}).outcome == "refused"

    assert [{0}] * READERS == read_during(unit, edits)
    tree.published(value(UPDATES))
    assert {UPDATES} == set(unit())


def test_p3_a_deploy_that_flips_a_link_is_one_update(tree: LiveTree, policy: str) -> None:
    releases = LiveTree(tree.root.parent / "releases")
    for number in range(2):
        files = {**value(number), "web.py": WAYS, "package/__init__.py": ""}
        releases.write({f"{number}/{name}": text for name, text in files.items()})
    tree.root.rmdir()
    tree.root.symlink_to(releases.root / "0")
    tree.install(policy=policy, watch=True)
    assert {0} == set(tree.module("web").by_import())
    (releases.root / "next").symlink_to(releases.root / "1")
    os.replace(releases.root / "next", tree.root)
    tree.wait(lambda report: report.outcome == "published")
    assert {1} == set(tree.module("web").by_import())
    assert len(tree.reports) == 1


def test_p3_created_changed_and_deleted_are_one_update(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "web.py": "from old_name import who\ndef ask(): return who()\n",
            "old_name.py": "def who(): return 'old'\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("web").ask() == "old"
    before = transfuse.status().generation
    tree.delete("old_name.py")
    report = tree.published(
        {
            "web.py": "from new_name import who\ndef ask(): return who()\n",
            "new_name.py": "def who(): return 'new'\n",
        }
    )
    assert before + 1 == report.generation
    assert [change.kind for change in sorted(report.changed, key=lambda change: change.path)] == [
        "created",
        "deleted",
        "changed",
    ]
    assert tree.module("web").ask() == "new"
