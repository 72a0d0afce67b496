"""P9, P15: a server goes on where processes cannot be started, and says why."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from demo.client import Client
from support.serving import CAP, WSGI, Project, lives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SHOWN = "import val\ndef shown(): return {'val': val.VALUE}\n"


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    project.save({"val.py": "VALUE = 1\n", "web.py": WSGI + SHOWN})
    yield project
    project.end()


def serve_by_two(project: Project, *options: str) -> int:
    """Serve, and wait until both workers do; return the process id of their parent."""
    server = project.serve("--workers", "2", *options)
    project.until("two workers", lambda: len(project.pids()) == 2)
    return server.pid


def from_elsewhere(project: Project, *words: str) -> tuple[int, str]:
    """Run a command while the folder of the project is not there."""
    places = {"XDG_RUNTIME_DIR": str(project.runtime), "XDG_STATE_HOME": str(project.state)}
    done = subprocess.run(
        [sys.executable, "-m", "transfuse", *words],
        cwd=project.runtime,
        env={**os.environ, **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CAP,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("hands_over", [False, True])
def test_p9_one_that_cannot_be_replaced_does_not_end_the_others(
    project: Project, hands_over: bool
) -> None:
    """The database that it needs is down, say."""
    needed = project.folder / "needed"
    needed.touch()
    project.save({"val.py": "import os\nos.stat('needed')\nVALUE = 1\n"})
    parent = serve_by_two(project)
    if hands_over:
        assert project.type("handover")[0] == 0
    needed.unlink()
    victim = min(project.pids())
    project.kill(victim)
    project.until_logged("FileNotFoundError")
    project.until_logged("the missing ones will be started again")
    assert all(project.ask()["val"] == 1 for _ in range(10))
    needed.touch()
    project.until("another one", lambda: len(project.pids() - {victim}) == 2)
    assert lives(parent)


def test_p15_a_server_whose_folder_is_removed_and_made_anew(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = tmp_path_factory.mktemp("kept") / "copy"
    parent = serve_by_two(project)
    shutil.copytree(project.folder, kept)
    shutil.rmtree(project.folder)
    code, out = from_elsewhere(project, "handover", "--all")
    assert (code, "nothing has changed" in out) == (1, True), out
    code, out = from_elsewhere(project, "status", "--all")
    assert code == 0, out
    assert all(project.ask()["val"] == 1 for _ in range(10))
    shutil.copytree(kept, project.folder)
    code, out = project.type("handover")
    assert code == 0, out
    assert all(project.ask()["val"] == 1 for _ in range(10))
    assert lives(parent)


def test_p15_a_server_whose_temporary_folder_was_swept(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    serve_by_two(project)
    for path in temporary.iterdir():
        shutil.rmtree(path)
    code, out = project.type("status")
    assert code == 0, out
    code, out = project.type("handover")
    assert code == 0, out
    before = project.pids()
    project.kill(min(before))
    project.until("another one", lambda: len(project.pids() - {min(before)}) == 2)
    assert project.type("handover")[0] == 0


def test_p9_one_in_place_of_another_takes_no_part_in_what_that_has_refused(
    project: Project,
) -> None:
    """While a change waits for fresh processes, too, which the others have voted on."""
    never = "__reload__ = 'never'\nVALUE = {}\n"
    shows = "import val, conf\ndef shown(): return {'val': val.VALUE, 'conf': conf.VALUE}\n"
    project.save({"conf.py": never.format(1), "web.py": WSGI + shows})
    serve_by_two(project, "--handover", "ask")
    project.save({"conf.py": never.format(2)})
    project.until_logged("conf cannot change in a running process")
    project.save({"val.py": "VALUE =\n"})
    project.until("a refusal by both", lambda: project.log.count("refused: val.py") == 2)
    victim = min(project.pids())
    project.kill(victim)
    project.until("another one", lambda: len(project.pids() - {victim}) == 2)
    # It has joined the others when it switches with them.
    for value in (3, 4):
        project.save({"val.py": f"VALUE = {value}\n"})
        words = f"2 workers switched to generation {value}"
        project.until_logged(words)
        assert all(project.ask() | {"pid": 0} == {"pid": 0, "val": value, "conf": 1} for _ in "ab")
    assert project.log.count("refused: val.py") == 2
    assert "cannot load what the others serve" not in project.log


@pytest.mark.parametrize("hands_over", [False, True])
def test_p9_workers_whose_parent_was_killed_end_with_their_requests(
    project: Project, hands_over: bool
) -> None:
    """They would hold the port, and nothing could replace them."""
    notes = WSGI.replace(
        "        time.sleep(3)", "        open('begun', 'w').close(); time.sleep(3)"
    )
    project.save({"web.py": notes + SHOWN})
    parent = serve_by_two(project)
    if hands_over:
        assert project.type("handover")[0] == 0
    before, answers = project.pids(), []
    client = Client(project.port)
    slow = threading.Thread(target=lambda: answers.append(client.get("/slow").status))
    slow.start()
    project.until("a request", (project.folder / "begun").exists)
    os.kill(parent, signal.SIGKILL)
    project.until("their end", lambda: not any(lives(pid) for pid in before))
    slow.join(CAP)
    client.close()
    assert answers == [200], project.log
    project.end()
    serve_by_two(project)
    assert project.ask()["val"] == 1
    assert not before & project.pids()
