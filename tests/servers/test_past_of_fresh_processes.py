"""P16: what the former processes serve until the switch can be gone back to after it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.serving import CAP, WSGI, Project

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SHOWN = "import gated, val\ndef shown(): return {'val': val.VALUE}\n"
# A module that says in which process it is loaded, and waits. Looking at the file by itself would
# make the file one that it depends on.
GATED = """
import os, subprocess, time
with open({folder!r} + "/loads", "a") as file:
    file.write(f"{{os.getpid()}}\\n")
while subprocess.call(["test", "-e", {folder!r} + "/gate"]):
    time.sleep(0.01)
"""


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    gate(project).touch()
    project.save(
        {
            "val.py": "VALUE = 'good'\n",
            "gated.py": GATED.format(folder=str(runtime)),
            "web.py": WSGI + SHOWN,
        }
    )
    yield project
    project.end()


def gate(project: Project) -> Path:
    return project.runtime / "gate"


def edit(project: Project, value: str) -> None:
    project.save({"val.py": f"VALUE = {value!r}\n"})
    project.until_answered(val=value)


def served(project: Project) -> Any:
    return project.ask()["val"]


def begin_to(project: Project, command: str) -> subprocess.Popen[str]:
    """Have fresh processes begin to load, and wait there."""
    loads = project.runtime / "loads"
    before = len(loads.read_text().split())
    gate(project).unlink()
    asked = project.begin(command)
    project.until("they load", lambda: len(loads.read_text().split()) > before)
    return asked


@pytest.mark.parametrize("workers", [1, 2])
def test_p16_what_is_saved_while_they_load_is_in_their_past(project: Project, workers: int) -> None:
    project.serve("--workers", str(workers))
    project.until("all", lambda: len(project.pids()) == workers)
    before = project.pids()
    asked = begin_to(project, "handover")
    edit(project, "better")
    edit(project, "best")
    numbers = {each["generation"] for each in project.statuses()}
    gate(project).touch()
    out, _ = asked.communicate(timeout=CAP)
    assert asked.returncode == 0, out
    assert not project.pids() & before
    # One number is of one state, in all of them.
    (number,) = {each["generation"] for each in project.statuses()}
    assert numbers == {number - 1}
    for value in ("better", "good"):
        code, out = project.type("rollback")
        assert (code, served(project)) == (0, value), out
    code, out = project.type("rollback", "--to", str(number))
    assert (code, served(project)) == (0, "best"), out


def test_p16_a_rollback_outlives_a_lone_fresh_process_that_has_not_kept_it(
    project: Project,
) -> None:
    """Until it has, the state on disk is the one that was left."""
    never = "__reload__ = 'never'\nVALUE = {}\n"
    project.save({"val.py": never.format(1)})
    project.serve("--handover", "auto")
    project.save({"val.py": never.format(2)})
    project.until_answered(val=2)
    (former,) = project.pids()
    asked = begin_to(project, "rollback")
    # It goes on to hold the lock, without which nothing is written.
    os.kill(former, signal.SIGSTOP)
    try:
        gate(project).touch()
        fresh = project.until_answered(val=1)["pid"]
        project.kill(fresh)
        answer = project.ask()
        assert (answer["val"], answer["pid"] in (former, fresh)) == (1, False)
    finally:
        os.kill(former, signal.SIGCONT)
    out, _ = asked.communicate(timeout=CAP)
    assert asked.returncode == 0, out
    assert "not kept on disk" not in out
    project.crash()
    project.serve()
    assert served(project) == 1
