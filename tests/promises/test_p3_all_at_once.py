"""P3: an update of many files becomes visible at one instant or not at all."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import transfuse
from conftest import Tree
from crew import Worker

READERS = 4
UPDATES = 25


def reading(unit: Callable[[], tuple[int, ...]], stop: threading.Event) -> Callable[[], list[set[int]]]:
    """A reader that asks until it is told to stop; every different answer, as sets of values."""

    def read() -> list[set[int]]:
        seen: list[set[int]] = []
        while not stop.is_set():
            values = set(unit())
            if not seen or seen[-1] != values:
                seen.append(values)
        return seen

    return read


def read_during(unit: Callable[[], tuple[int, ...]], edits: Callable[[], None]) -> list[set[int]]:
    """What readers in several threads got while edits were made."""
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


def checkout(tree: Tree, files: dict[str, str]) -> None:
    """Write files one right after the other, by a process that our busy threads cannot stop."""
    away = Tree(tree.root.parent / "checkout")
    away.write(files)
    subprocess.run(["cp", "-r", f"{away.root}/.", str(tree.root)], check=True)


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
def test_p3_readers_never_see_a_mix(tree: Tree, policy: str, way: str) -> None:
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
    assert [] == [values for values in answers if len(values) != 1]
    assert {UPDATES - 1} == set(unit())


def test_p3_unpinned_live_code_sees_no_mix_either(tree: Tree, policy: str) -> None:
    tree.write({**value(0), "web.py": WAYS, "package/__init__.py": ""})
    tree.install(policy=policy)
    tree.module("web"), tree.module("package.third")

    def edits() -> None:
        for number in range(1, UPDATES):
            tree.published(value(number))

    # Once inside the module's code, everything is of the generation that this code belongs to.
    answers = read_during(lambda: tree.module("web").by_import(), edits)
    assert [] == [values for values in answers if len(values) != 1]


def test_p3_saved_together_seen_together_while_watching(tree: Tree, policy: str) -> None:
    tree.write({**value(0), "web.py": WAYS, "package/__init__.py": ""})
    tree.install(policy=policy, watch=True)
    tree.module("web"), tree.module("package.third")

    def unit() -> tuple[int, ...]:
        with transfuse.pin():
            values: tuple[int, ...] = tree.module("web").by_import()
            return values

    def edits() -> None:
        for number in range(1, UPDATES):
            seen = len(tree.reports)
            checkout(tree, value(number))
            tree.wait(lambda report: report.outcome == "published", after=seen)

    answers = read_during(unit, edits)
    assert [] == [values for values in answers if len(values) != 1]
    assert {UPDATES - 1} == set(unit())
    assert [3] * (UPDATES - 1) == [len(report.changed) for report in tree.reports]


def test_p3_one_that_fails_keeps_all_back(tree: Tree, policy: str) -> None:
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


def test_p3_created_changed_and_deleted_are_one_update(tree: Tree, policy: str) -> None:
    tree.write({
        "web.py": "from old_name import who\ndef ask(): return who()\n",
        "old_name.py": "def who(): return 'old'\n",
    })
    tree.install(policy=policy)
    assert tree.module("web").ask() == "old"
    before = transfuse.status().generation
    tree.delete("old_name.py")
    report = tree.published({
        "web.py": "from new_name import who\ndef ask(): return who()\n",
        "new_name.py": "def who(): return 'new'\n",
    })
    assert before + 1 == report.generation
    assert ["created", "deleted", "changed"] == [
        change.kind for change in sorted(report.changed, key=lambda change: change.path)
    ]
    assert tree.module("web").ask() == "new"
