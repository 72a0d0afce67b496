"""`transfuse.history()`: what was served when, by what, and what can be gone back to."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import LiveTree, ran
from transfuse.errors import GenerationError, NotInstalledError

if TYPE_CHECKING:
    from transfuse.updates.history import HistoryEntry


def story(entry: HistoryEntry) -> tuple[int, str, str, bool, bool]:
    return entry.generation, entry.by, entry.outcome, entry.is_served, entry.can_go_back


def test_each_update_is_told_with_what_led_to_it(tree: LiveTree, policy: str) -> None:
    with pytest.raises(NotInstalledError):
        transfuse.history()
    tree.write({"leaf.py": "VALUE = 1\n", "web.py": "import leaf\n"})
    before = time.time()
    tree.install(policy=policy)
    tree.module("web")
    tree.published({"leaf.py": "VALUE = 2\n"})
    tree.update({"leaf.py": "1 / 0\n"})
    transfuse.rollback()
    tree.published({"unused.py": ""})
    transfuse.accept()
    entries = transfuse.history()
    assert [story(entry) for entry in entries] == [
        (1, "start", "started", False, False),
        (2, "update", "published", False, True),
        (2, "update", "refused", False, False),
        (3, "rollback", "rolled back", False, False),
        (4, "update", "published", True, False),
        (4, "accept", "refused", False, False),
    ]
    assert [entry.back_to for entry in entries] == [None, None, None, 1, None, None]
    assert entries[1].ran[0].name == "leaf"
    assert entries[1].changed[0].path == str(tree.root / "leaf.py")
    assert entries[2].error is not None
    assert "ZeroDivisionError" in entries[2].error
    times = [entry.time for entry in entries]
    assert before <= times[0]
    assert times == sorted(times)
    assert entries[1].to_json()["ran"] == [["leaf", "changed"], ["web", "imports leaf"]]


def test_a_save_is_told_as_one(tree: LiveTree) -> None:
    tree.write({"leaf.py": "VALUE = 1\n"})
    tree.install(watch=True)
    tree.module("leaf")
    tree.write({"leaf.py": "VALUE = 2\n"})
    report = tree.wait(lambda report: report.outcome == "published")
    assert (report.by, transfuse.history()[-1].by) == ("saved", "saved")


def test_a_release_is_told_as_one(tree: LiveTree) -> None:
    for number in (1, 2):
        tree.write({f"releases/{number}/leaf.py": f"VALUE = {number}\n"})
    live = tree.root / "current"
    live.symlink_to(tree.root / "releases/1")
    tree.unsubscribe()
    transfuse.install(roots=[live], watch=True)
    tree.unsubscribe = transfuse.on_update(tree._record)
    tree.module("leaf")
    (tree.root / "next").symlink_to(tree.root / "releases/2")
    (tree.root / "next").replace(live)
    assert tree.wait(lambda report: report.outcome == "published").by == "release"


def test_back_to_what_was_served_at_a_moment(tree: LiveTree) -> None:
    tree.write({"leaf.py": "VALUE = 0\n"})
    started = time.time()
    tree.install()
    tree.module("leaf")
    moments = []
    for number in range(1, 4):
        tree.published({"leaf.py": f"VALUE = {number}\n"})
        moments.append(datetime.fromtimestamp(time.time()))
    assert transfuse.rollback(moments[0]).outcome == "rolled back"
    assert tree.module("leaf").VALUE == 1
    with pytest.raises(GenerationError, match="nothing would change"):
        transfuse.rollback(datetime.fromtimestamp(time.time()))
    with pytest.raises(GenerationError, match="is not known; its history begins at"):
        transfuse.rollback(datetime.fromtimestamp(started - 3600))
    assert tree.module("leaf").VALUE == 1


def test_a_number_that_a_later_generation_stands_for_can_be_named(tree: LiveTree) -> None:
    tree.write({"leaf.py": "VALUE = 1\n"})
    tree.install()
    tree.module("leaf")
    second = tree.published({"leaf.py": "VALUE = 2\n"}).generation
    later = tree.published({"unused.py": ""}).generation
    tree.published({"leaf.py": "VALUE = 3\n"})
    assert second not in transfuse.status().kept
    report = transfuse.rollback(second)
    assert report.back_to is not None
    assert (report.back_to[0], tree.module("leaf").VALUE) == (later, 2)


def test_a_save_that_restores_what_is_served_is_told_after_a_refusal(tree: LiveTree) -> None:
    tree.write({"leaf.py": "VALUE = 1\n"})
    tree.install(watch=True)
    tree.module("leaf")
    tree.write({"leaf.py": "1 / 0\n"})
    tree.wait(lambda report: report.outcome == "refused")
    tree.write({"leaf.py": "VALUE = 1\n"})
    report = tree.wait(lambda report: report.fixed)
    assert (report.outcome, report.generation) == ("unchanged", 1)
    assert transfuse.status().failing is None
    assert ran(report) == []
