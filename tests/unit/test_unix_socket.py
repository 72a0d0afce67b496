"""The command line asks a running process by a socket that is its user's alone."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from transfuse.control import processes, unix_socket
from transfuse.errors import TransfuseError
from transfuse.runtime import file_lock

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
    (process,) = processes.processes()
    assert (process.pid, stat.S_IMODE(runtime.stat().st_mode)) == (os.getpid(), 0o700)

    said = processes.ask(process, "status")
    assert (said["pid"], said["process"]) == (os.getpid(), "run prices.py")
    assert (said["generation"], said["modules"]) == (1, 1)

    tree.write({"prices.py": "PRICE = 2"})
    assert processes.ask(process, "plan")["ran"] == [["prices", "changed"]]
    assert processes.ask(process, "update")["generation"] == 2
    said = processes.ask(process, "rollback", to=1)
    assert said["outcome"] == "rolled back"
    assert said["text"].startswith("rolled back in ")
    with pytest.raises(TransfuseError, match="generation"):
        processes.ask(process, "rollback", to=99)
    unix_socket.close()


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[]", b'{"ask": "exit"}', b'{"ask": []}'])
def test_what_is_no_request_is_told_so(line: bytes) -> None:
    assert unix_socket.answer(line, {})["wrong"].startswith("it does not know the request")


def test_a_question_before_install_is_answered_too() -> None:
    assert "transfuse.install()" in unix_socket.answer(b'{"ask": "status"}', {})["wrong"]


def test_files_of_dead_processes_are_removed(runtime: Path) -> None:
    code = (
        "import os; from transfuse.control import unix_socket; assert unix_socket.serve('x');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert sorted(path.suffix for path in runtime.iterdir()) == [".json", ".lock", ".sock"]
    assert processes.processes() == []
    assert list(runtime.iterdir()) == []


def test_two_processes_that_look_at_once_do_not_take_each_other_for_alive(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    (runtime / "dead.lock").touch()
    with (runtime / "dead.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not file_lock.is_held(runtime / "dead.lock")


def test_a_forked_child_is_another_process(runtime: Path) -> None:
    code = """
import os
from transfuse.control import processes, unix_socket
assert unix_socket.serve("x")
end, other = os.pipe()
child = os.fork()
if not child:
    found = processes.processes()
    servers = {process.card.server for process in found}
    mine = os.getpid() in [each.pid for each in found]
    os.write(other, f"{len(found)} {mine} {len(servers)}".encode())
    os._exit(0)
print(os.read(end, 100).decode())
os.waitpid(child, 0)
print(*[process.pid == os.getpid() for process in processes.processes()])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # A child is of its parent's server.
    assert done.stdout == "2 True 1\nTrue\n"
    assert list(runtime.iterdir()) == []


def test_a_directory_that_others_may_enter_is_not_used(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    runtime.chmod(0o755)
    assert not unix_socket.serve("x")
    assert processes.processes() == []


def test_a_socket_goes_with_its_process(runtime: Path) -> None:
    code = (
        "from transfuse.control import processes, unix_socket; assert unix_socket.serve('x');"
        "print(len(processes.processes()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert list(runtime.iterdir()) == []


def test_a_script_holds_updates_from_outside(tree: LiveTree) -> None:
    tree.write({"prices.py": "PRICE = 1"})
    tree.install(watch=True)
    tree.module("prices")
    unix_socket.serve("run prices.py")
    (process,) = processes.processes()
    assert processes.ask(process, "hold")["outcome"] == "held"
    tree.write({"prices.py": "PRICE = 2"})
    assert tree.quiet(after=0)
    assert processes.ask(process, "release")["released"] == 1
    tree.wait(lambda report: report.ok)
    assert tree.module("prices").PRICE == 2
    unix_socket.close()
