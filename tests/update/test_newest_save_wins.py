"""An update that hangs is given up when something newer is saved, or a rollback is asked for."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any

import pytest

import transfuse
from conftest import CAP, LiveTree, ran
from support.threads import Worker, wait
from transfuse import _core
from transfuse.errors import TimeLimitExceeded

# How module code hangs: in Python, in C where no exception ends it, and where it catches all.
HANGS = {
    "a loop": "while not outside.go.is_set(): pass\n",
    "a call into C": "outside.go.wait(60)\n",
    "sleep": "import time\ntime.sleep(6)\n",
    "a loop that catches all": """
while not outside.go.is_set():
    try:
        while not outside.go.is_set(): pass
    except BaseException: pass
""",
}


@pytest.fixture
def gates(outside: Any) -> Any:
    outside.begun, outside.go = threading.Event(), threading.Event()
    yield outside
    outside.go.set()


def hanging(how: str) -> str:
    return f"import outside\noutside.begun.set()\n{HANGS[how]}VALUE = 'late'\n"


def shop(tree: LiveTree, *, watch: bool = True, **settings: Any) -> None:
    tree.write({"leaf.py": "VALUE = 1\n", "web.py": "import leaf\nVALUE = leaf.VALUE\n"})
    tree.install(watch=watch, **settings)
    assert tree.module("web").VALUE == 1


@pytest.mark.parametrize("how", HANGS)
def test_a_save_that_takes_it_out_is_served(
    tree: LiveTree, policy: str, gates: Any, how: str
) -> None:
    shop(tree, policy=policy)
    tree.write({"leaf.py": hanging(how)})
    wait(gates.begun)
    tree.write({"leaf.py": "VALUE = 2\n"})
    report = tree.wait(lambda report: report.outcome == "published")
    assert (ran(report), tree.module("web").VALUE) == (["leaf", "web"], 2)
    # What is left behind ends one day, and has no effect.
    gates.go.set()
    until_staging_has_ended()
    assert tree.module("web").VALUE == 2
    tree.write({"leaf.py": "VALUE = 3\n"})
    tree.wait(lambda report: report.outcome == "published", after=len(tree.reports))
    assert tree.module("web").VALUE == 3
    assert all(report.outcome == "published" for report in tree.reports), tree.reports


def until_staging_has_ended() -> None:
    def stages() -> int:
        return sum(thread.name == "transfuse-stage" for thread in threading.enumerate())

    end = time.monotonic() + CAP
    while stages() > 1:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.01)


def test_several_saves_of_which_each_hangs(tree: LiveTree, gates: Any) -> None:
    shop(tree)
    for number in range(3):
        gates.begun.clear()
        tree.write({"leaf.py": hanging("a call into C") + f"# {number}\n"})
        wait(gates.begun)
    tree.write({"leaf.py": "VALUE = 2\n"})
    tree.wait(lambda report: report.outcome == "published")
    assert tree.module("web").VALUE == 2


def test_an_explicit_update_goes_on_with_the_newer_files(tree: LiveTree, gates: Any) -> None:
    shop(tree, watch=False)
    tree.write({"leaf.py": hanging("a call into C")})
    update = Worker(transfuse.update)
    wait(gates.begun)
    tree.write({"leaf.py": "VALUE = 2\n"})
    assert update.result().outcome == "published"
    assert tree.module("web").VALUE == 2


def test_a_rollback_does_not_wait_for_it(tree: LiveTree, gates: Any) -> None:
    shop(tree)
    tree.write({"leaf.py": "VALUE = 2\n"})
    tree.wait(lambda report: report.outcome == "published")
    tree.write({"leaf.py": hanging("a call into C")})
    wait(gates.begun)
    report = transfuse.rollback()
    assert (report.outcome, tree.module("web").VALUE) == ("rolled back", 1)
    gates.go.set()
    until_staging_has_ended()
    assert tree.module("web").VALUE == 1
    assert [report.outcome for report in tree.reports] == ["published", "rolled back"]
    assert transfuse.status().set_aside == (str(tree.root / "leaf.py"),)


def test_a_module_that_another_thread_waits_for_is_loaded_without_it(
    tree: LiveTree, gates: Any
) -> None:
    """The same content under the same name: the thread that is left behind runs it."""
    tree.write(
        {
            "leaf.py": "VALUE = 1\n",
            "web.py": "import leaf\nimport outside\nif leaf.VALUE == 2: outside.wait()\n",
        }
    )
    tree.install(watch=True)
    tree.module("web")
    gates.waits = [True]

    def hang() -> None:
        if gates.waits.pop() if gates.waits else False:
            gates.begun.set()
            gates.go.wait(60)

    gates.wait = hang
    tree.write({"leaf.py": "VALUE = 2\n"})
    wait(gates.begun)
    tree.write({"leaf.py": "VALUE = 2\n# again\n"})
    tree.wait(lambda report: report.outcome == "published")
    assert tree.module("leaf").VALUE == 2


def test_one_that_changes_a_file_as_it_runs_is_published_in_the_end(tree: LiveTree) -> None:
    """Code that writes source as it is loaded, and takes its time, is not given up for ever."""
    shop(tree)
    made = tree.root / "made.py"
    tree.write(
        {
            "leaf.py": (
                "import time\n"
                f"with open({str(made)!r}, 'w') as file: file.write(f'VALUE = 1\\n')\n"
                "time.sleep(2.5)\nVALUE = 2\n"
            )
        }
    )
    tree.wait(lambda report: report.outcome == "published")
    assert tree.module("web").VALUE == 2


def test_what_is_left_behind_is_told_with_its_place(
    tree: LiveTree, gates: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop(tree)
    with caplog.at_level(logging.WARNING, "transfuse"):
        tree.write({"leaf.py": hanging("a call into C")})
        wait(gates.begun)
        tree.write({"leaf.py": "VALUE = 2\n"})
        tree.wait(lambda report: report.outcome == "published")
    assert "does not end at leaf.py, line 3" in caplog.text


def test_what_is_left_behind_touches_nothing_when_it_ends(tree: LiveTree, gates: Any) -> None:
    """It began a module that was new then, and patched a foreign one, as the newer code does."""
    gates.value = "plain"
    shop(tree)
    patch = "import outside\noutside.value = {!r}\n"
    new = patch.format("late") + hanging("a call into C")
    tree.write({"new.py": new, "leaf.py": "import new\nVALUE = 2\n"})
    wait(gates.begun)
    tree.write({"new.py": patch.format("newer") + "VALUE = 3\n"})
    tree.wait(lambda report: report.outcome == "published")
    module, shown = tree.module("new"), sys.modules["new"]
    assert (module.VALUE, gates.value) == (3, "newer")
    gates.go.set()
    until_staging_has_ended()
    assert (tree.module("new"), sys.modules["new"]) == (module, shown)
    assert (tree.module("web").VALUE, gates.value) == (2, "newer")


def test_past_the_time_limit_it_is_refused_and_left_behind(tree: LiveTree, gates: Any) -> None:
    shop(tree, time_limit=0.2)
    tree.write({"leaf.py": hanging("a call into C")})
    wait(gates.begun)
    report = tree.wait(lambda report: report.outcome == "refused")
    assert isinstance(report.error, TimeLimitExceeded)
    tree.write({"leaf.py": "VALUE = 2\n"})
    tree.wait(lambda report: report.outcome == "published")
    assert tree.module("web").VALUE == 2


def test_uninstall_does_not_wait_for_it(tree: LiveTree, gates: Any) -> None:
    shop(tree)
    tree.write({"leaf.py": hanging("a call into C")})
    wait(gates.begun)
    Worker(transfuse.uninstall).result()
    assert not _core.installed()
