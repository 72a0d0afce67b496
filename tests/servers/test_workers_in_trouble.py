"""Faults around workers: of the folder where they meet, of descriptors, of a worker's modules."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from crowd import Crowd, Worker, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

# A worker cannot load this, for a reason that the others do not have.
BROKEN = "import os\nif os.environ.get('BROKEN'): raise OSError('no disk')\nVALUE = {}\n"
# Whether a worker is connected to a coordinator at the moment.
MEETS = (
    "__import__('transfuse.workers.membership').workers.membership._worker"
    "._connection.stream is not None"
)


# A supervisor of two workers. Each tells what it serves in a file of its own.
SUPERVISOR = """
import subprocess, sys
workers = [subprocess.Popen([sys.executable, "-c", sys.argv[1], *sys.argv[2:]]) for _ in "ab"]
for worker in workers:
    worker.wait()
"""
SUPERVISED = """
import os, sys, threading
from pathlib import Path
import transfuse
root, told = map(Path, sys.argv[1:])
transfuse.install(roots=[root])
import shop
def tell(report=None):
    beside = told / f"new-{os.getpid()}"
    beside.write_text(str(transfuse.import_module("shop").VALUE))
    beside.replace(told / f"serves-{os.getpid()}")
transfuse.on_update(tell)
tell()
threading.Event().wait(120)
"""


@pytest.fixture
def crowd(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    root = tmp_path / "site"
    root.mkdir()
    crowd = Crowd(root, tmp_path)
    crowd.write(shop="VALUE = 1\n")
    yield crowd
    crowd.end()


def meet(*workers: Worker) -> None:
    for worker in workers:
        worker.until(MEETS, True)


def refuse_together(crowd: Crowd, failing: Worker, other: Worker) -> None:
    """What one cannot load no other publishes: they have met."""
    before = other.ask("served()")
    crowd.write(shop=BROKEN.format(7))
    wait_for("a refusal", lambda: f"process {failing.pid}: " in other.log)
    assert [failing.ask("served()"), other.ask("served()")] == [before, before]


def test_p9_the_place_where_they_meet_is_removed(crowd: Crowd, runtime: Path) -> None:
    """As the system does with temporary files that are old."""
    failing, other = crowd.start(BROKEN="1"), crowd.start()
    meet(failing, other)
    (place,) = runtime.glob("transfuse-*/workers-*")
    shutil.rmtree(place)
    wait_for("another coordinator", lambda: any(place.glob("*.sock")))
    meet(failing, other)
    refuse_together(crowd, failing, other)


def test_p9_the_coordinator_has_no_descriptors_left_for_a_while(crowd: Crowd) -> None:
    coordinator, failing = crowd.start(), crowd.start(BROKEN="1")
    meet(coordinator, failing)
    coordinator.ask(
        "exec('import os, resource\\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 4096))\\n"
        "kept = []\\n"
        "while True:\\n"
        "    try: kept.append(os.dup(0))\\n"
        "    except OSError: break', globals())"
    )
    # It cannot be let in where it asks first, so another takes the coordinator.
    third = crowd.start()
    meet(failing, third)
    assert coordinator.ask("[os.close(each) for each in kept] and None") is None
    meet(coordinator, failing, third)
    refuse_together(crowd, failing, coordinator)
    assert third.ask("served()") == [1, 1]
    crowd.write(shop="VALUE = 8\n")
    crowd.all_serve(2, 8)


# As where a path is too long for a socket, and the system knows no other way.
NO_SOCKET = """
import sys
def refuse(event, arguments):
    if event == "socket.bind" and isinstance(arguments[1], (str, bytes)):
        raise OSError("AF_UNIX path too long")
sys.addaudithook(refuse)
"""


def test_p9_a_place_where_no_socket_can_be_made(
    crowd: Crowd, tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told, and each goes on alone and at once."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(NO_SOCKET)
    here = {"PYTHONPATH": str(hook)}
    first, second = crowd.start(**here), crowd.start(**here)
    told = "the other workers of this server cannot be met in"
    wait_for("word of it", lambda: told in first.log and told in second.log)
    crowd.write(shop="VALUE = 2\n")
    crowd.all_serve(2, 2)
    assert "no other worker can be reached" not in first.log + second.log


def test_a_runtime_folder_that_does_not_exist_is_no_obstacle(
    crowd: Crowd, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo` and services hand on the name of one that is not there."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "gone"))
    monkeypatch.setenv("TMPDIR", str(runtime))
    failing, other = crowd.start(BROKEN="1"), crowd.start()
    meet(failing, other)
    refuse_together(crowd, failing, other)


@pytest.mark.parametrize("setting", ["exclude", "watch"])
def test_processes_that_do_not_see_the_same_do_not_wait_for_each_other(
    crowd: Crowd, setting: str
) -> None:
    """A web server and a job runner under one supervisor, with settings of their own."""
    web = crowd.start()
    crowd.settings = {"exclude": ["other.py"]} if setting == "exclude" else {"watch": False}
    jobs = crowd.start()
    crowd.write(other="X = 1\n")
    crowd.write(shop="VALUE = 2\n")
    web.until("served()[1]", 2)
    if setting == "exclude":
        jobs.until("served()", [2, 2])
    else:
        assert jobs.ask("served()") == [1, 1]
        assert jobs.ask("transfuse.update().outcome") == "published"


def test_p9_who_could_not_catch_up_tries_again(crowd: Crowd, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.touch()
    first, second = crowd.start(), crowd.start()
    late = crowd.start(NEEDS=str(away))
    meet(first, second, late)
    late.signal(signal.SIGSTOP)
    crowd.write(
        shop="import os\n"
        "if os.path.exists(os.environ.get('NEEDS', '')): raise OSError('database is away')\n"
        "VALUE = 2\n"
    )
    for worker in (first, second):
        worker.until("served()", [2, 2])
    late.signal(signal.SIGCONT)
    wait_for("word of it", lambda: "this worker cannot load what the others serve" in late.log)
    assert late.ask("served()") == [1, 1]
    away.unlink()
    late.until("served()", [2, 2])
    # And it does not hold the others to what it was told to catch up with.
    crowd.write(shop="VALUE = 3\n")
    crowd.all_serve(3, 3)


def test_p9_the_supervisor_crashes_and_its_workers_go_on(crowd: Crowd, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, SUPERVISED, str(crowd.root), str(tmp_path)]
    supervisor = subprocess.Popen(command)

    def served() -> list[str]:
        return [path.read_text() for path in tmp_path.glob("serves-*")]

    try:
        wait_for("two workers", lambda: served() == ["1", "1"])
        supervisor.kill()
        supervisor.wait()
        for value in ("2", "3"):
            crowd.write(shop=f"VALUE = {value}\n")
            wait_for(f"both to serve {value}", lambda value=value: served() == [value, value])  # type: ignore[misc]
    finally:
        supervisor.kill()
        for path in tmp_path.glob("serves-*"):
            os.kill(int(path.name.partition("-")[2]), signal.SIGKILL)
