"""What mod_python's importer did right and Transfuse keeps (HISTORY.md)."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran
from support.threads import Worker, wait


def test_kept_asked_twice_it_is_the_same_object(tree: LiveTree) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "TEA = 3\n"})
    tree.install()
    first = tree.module("shop.prices")
    assert first is tree.module("shop.prices")
    assert first is tree.module("shop").prices
    assert first is transfuse.import_module(tree.root / "shop" / "prices.py")


def test_kept_a_changed_parent_alone_keeps_the_same_child(tree: LiveTree, policy: str) -> None:
    parent = "import child\nVALUE = {}\nCHILD = id(child)\n"
    tree.write({"child.py": "VALUE = 1\n", "parent.py": parent.format(1)})
    tree.install(policy=policy)
    tree.module("parent")
    child = tree.module("child")
    report = tree.published({"parent.py": parent.format(2)})
    assert ran(report) == ["parent"]
    assert child is tree.module("child")
    assert id(child) == tree.module("parent").CHILD


@pytest.mark.parametrize("how", ["time", "written again", "moved over"])
def test_kept_a_file_that_is_only_touched_is_not_updated(
    tree: LiveTree, policy: str, outside: Any, how: str
) -> None:
    source = "import outside\noutside.ran.append(1)\nTEA = 3\n"
    tree.write({"prices.py": source})
    tree.install(policy=policy)
    prices = tree.module("prices")
    before = transfuse.status().generation
    if how == "time":
        os.utime(tree.root / "prices.py")
    elif how == "written again":
        tree.write({"prices.py": source})
    else:
        tree.write({"other.txt": source})
        os.replace(tree.root / "other.txt", tree.root / "prices.py")
    assert transfuse.update().outcome == "unchanged"
    assert prices is tree.module("prices")
    assert ([1], before) == (outside.ran, transfuse.status().generation)


def test_kept_a_failed_load_is_tried_again_only_after_a_change(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy, watch=True)
    tree.module("prices")
    tree.write({"prices.py": "import outside\noutside.ran.append('tried')\n1/0\n"})
    tree.wait(lambda report: report.outcome == "refused")
    assert outside.ran == ["tried"]
    seen = len(tree.reports)
    os.utime(tree.root / "prices.py")
    assert tree.quiet(after=seen)
    assert (outside.ran, tree.module("prices").TEA) == (["tried"], 3)
    tree.write({"prices.py": "import outside\noutside.ran.append('again')\nTEA = 4\n"})
    tree.wait(lambda report: report.outcome == "published", after=seen)
    assert outside.ran == ["tried", "again"]
    assert tree.module("prices").TEA == 4


def test_kept_the_last_good_state_is_there_for_the_load_that_succeeds(tree: LiveTree) -> None:
    source = """
        import threading
        __preserve__ = ["lock"]
        lock = threading.Lock()
        visits = globals().get("visits", [])
        visits.append({})
        {}
        """
    tree.write({"prices.py": source.format(1, "")})
    tree.install()
    good = tree.module("prices")
    assert tree.update({"prices.py": source.format(2, "1/0")}).outcome == "refused"
    assert tree.update({"prices.py": source.format(3, "visits = None; (")}).outcome == "refused"
    assert good is tree.module("prices")
    tree.published({"prices.py": source.format(4, "")})
    now = tree.module("prices")
    assert now.lock is good.lock
    assert now.visits is good.visits
    # What the refused body did to a carried object is done: the object is shared.
    assert now.visits == [1, 2, 4]


def test_kept_a_first_load_that_failed_poisons_nothing(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": "import half\n",
            "half.py": "VALUE = 1\nraise KeyError('not yet')\n",
        }
    )
    tree.install()
    for _ in range(2):
        with pytest.raises(KeyError, match="not yet"):
            tree.module("prices")
        assert {"prices", "half"}.isdisjoint(sys.modules)
    tree.update({"half.py": "VALUE = 2\n"})
    assert tree.module("prices").half.VALUE == 2


def test_kept_a_handler_blocked_in_old_code_resumes_with_its_helpers(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    handler = """
        import outside, helpers
        WHO = "handler {0}"
        def handle():
            outside.begun.set()
            outside.go_on.wait(20)
            return WHO, helpers.who(), local()
        def local(): return "local {0}"
        """
    tree.write({"handler.py": handler.format(1), "helpers.py": "def who(): return 'helpers 1'\n"})
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install(policy=policy)
    blocked = Worker(tree.module("handler").handle)
    wait(outside.begun)
    tree.published(
        {
            "handler.py": handler.format(2),
            "helpers.py": "def who(): return 'helpers 2'\n",
        }
    )
    outside.go_on.set()
    assert blocked.result() == ("handler 1", "helpers 1", "local 1")
    assert tree.module("handler").handle() == ("handler 2", "helpers 2", "local 2")


def test_kept_updates_can_be_off_and_one_call_still_updates(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(watch=False)
    tree.module("prices")
    tree.write({"prices.py": "TEA = 4\n"})
    planned = transfuse.plan()
    assert [step.name for step in planned.ran] == ["prices"]
    assert (tree.module("prices").TEA, tree.reports) == (3, [])
    assert transfuse.update().outcome == "published"
    assert tree.module("prices").TEA == 4


def test_the_folder_of_a_process_that_was_killed_is_swept_away(tree: LiveTree) -> None:
    left = Path(tempfile.gettempdir()) / f"transfuse-{2**22 + 1}-1"  # no process has that number
    left.mkdir(exist_ok=True)
    tree.install()
    assert not left.exists() or not Path("/proc/self").exists()
