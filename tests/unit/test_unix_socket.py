"""The command line asks a running process by a socket that is its user's alone."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from transfuse.control import unix_socket
from transfuse.errors import TransfuseError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "run"
    place.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place / f"transfuse-{os.getuid()}"


def test_a_process_answers(tree: LiveTree, runtime: Path) -> None:
    tree.write({"prices.py": "PRICE = 1"})
    tree.install()
    tree.module("prices")
    assert unix_socket.serve("run prices.py")
    (process,) = unix_socket.processes()
    assert (process.pid, stat.S_IMODE(runtime.stat().st_mode)) == (os.getpid(), 0o700)

    said = unix_socket.ask(process, "status")
    assert (said["pid"], said["process"]) == (os.getpid(), "run prices.py")
    assert (said["generation"], said["modules"]) == (1, 1)

    tree.write({"prices.py": "PRICE = 2"})
    assert unix_socket.ask(process, "plan")["ran"] == [["prices", "changed"]]
    assert unix_socket.ask(process, "update")["generation"] == 2
    said = unix_socket.ask(process, "rollback", to=1)
    assert said["outcome"] == "rolled back"
    assert said["text"].startswith("rolled back in ")
    with pytest.raises(TransfuseError, match="generation"):
        unix_socket.ask(process, "rollback", to=99)
    process.path.unlink()


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[]", b'{"ask": "exit"}', b'{"ask": []}'])
def test_what_is_no_request_is_told_so(line: bytes) -> None:
    assert unix_socket.answer(line, {})["wrong"].startswith("it does not know the request")


def test_a_question_before_install_is_answered_too() -> None:
    assert "transfuse.install()" in unix_socket.answer(b'{"ask": "status"}', {})["wrong"]


def test_sockets_of_dead_processes_are_removed(runtime: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    runtime.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(runtime / f"{dead.pid}.sock"))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(runtime / f"{os.getpid()}.sock"))  # bound, but no process listens
    assert unix_socket.processes() == []
    assert list(runtime.iterdir()) == []


def test_a_directory_that_others_may_enter_is_not_used(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    runtime.chmod(0o755)
    assert not unix_socket.serve("x")
    assert unix_socket.processes() == []


def test_a_socket_goes_with_its_process(runtime: Path) -> None:
    code = (
        "from transfuse.control import unix_socket; assert unix_socket.serve('x');"
        "print(len(unix_socket.processes()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert list(runtime.iterdir()) == []


def test_a_process_that_is_too_busy_to_accept_is_not_dead(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    path = runtime / f"{os.getpid()}.sock"
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        for each in waiting:
            each.setblocking(False)
            # The queue is full from the second one on.
            each.connect_ex(str(path))
        assert [process.path for process in unix_socket.processes()] == [path]
    for each in waiting:
        each.close()
    path.unlink()


def test_a_script_holds_updates_from_outside(tree: LiveTree) -> None:
    tree.write({"prices.py": "PRICE = 1"})
    tree.install(watch=True)
    tree.module("prices")
    unix_socket.serve("run prices.py")
    (process,) = unix_socket.processes()
    assert unix_socket.ask(process, "hold")["outcome"] == "held"
    tree.write({"prices.py": "PRICE = 2"})
    assert tree.quiet(after=0)
    assert unix_socket.ask(process, "release")["released"] == 1
    tree.wait(lambda report: report.ok)
    assert tree.module("prices").PRICE == 2
    process.path.unlink()
