"""Bytes of the same user that are no request, or half of one, end nothing."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import CAP
from transfuse.control import listener, processes, unix_socket
from transfuse.runtime import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

LENGTHS = [0, 1, 2, 7, 100, 5000, 70_000, 1_000_000]
SENSELESS = [
    b'{"ask": "status"',
    b'{"ask": "leaks", "seconds": "x"}\n',
    b'{"ask": "rollback", "to": -1}\n',
    b'{"ask": "rollback", "to": [[]]}\n',
    b'{"ask": "update", "timeout": {}}\n',
    b'{"ask": ' + b"[" * 30_000 + b"\n",
    b"[" * 60_000 + b"\n",
    b"9" * 60_000 + b"\n",
    b'{"ask": null}\n',
    b"\xff\xfe\n",
    b"\n",
    b"\0" * 4096,
]


@pytest.fixture
def process(
    tree: LiveTree, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[processes.Process]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    tree.write({"shop.py": "VALUE = 1\n"})
    tree.install()
    assert unix_socket.serve("run shop.py")
    (found,) = processes.processes()
    yield found
    unix_socket.close()


def send(process: processes.Process, text: bytes, *, end: bool) -> bytes:
    """Send bytes; return what is answered, if the connection is ended properly."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CAP)
        connection.connect(str(process.path))
        try:
            connection.sendall(text)
            if end:
                connection.shutdown(socket.SHUT_WR)
                return connection.recv(1 << 20)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not read on
    return b""


def answers(process: processes.Process) -> bool:
    generation: int = processes.ask(process, "status", timeout=CAP)["generation"]
    return generation == 1


def test_random_bytes_end_nothing(process: processes.Process) -> None:
    rng = random.Random(17)
    for length in LENGTHS * 6:
        send(process, rng.randbytes(length), end=rng.random() < 0.5)
    assert answers(process)


@pytest.mark.parametrize("text", SENSELESS, ids=range(len(SENSELESS)))
def test_senseless_requests_are_told_so_or_closed(process: processes.Process, text: bytes) -> None:
    said = send(process, text, end=True)
    if said:
        reply = json.loads(said)
        assert "wrong" in reply or reply["generation"] == 1, reply
    assert answers(process)


def test_pieces_of_a_request_are_put_together(process: processes.Process) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CAP)
        connection.connect(str(process.path))
        for byte in b'{"ask": "status"}\n':
            connection.sendall(bytes([byte]))
        assert json.loads(connection.makefile().readline())["generation"] == 1


def test_connections_that_say_nothing_cost_no_thread_and_keep_no_other_out(
    process: processes.Process,
) -> None:
    before = threading.active_count()
    silent = []
    try:
        for number in range(200):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            silent.append(connection)
            connection.connect(str(process.path))
            if number % 2:
                connection.sendall(b'{"ask": "st')
        assert answers(process)
        # The threads of the updates come and go.
        assert threading.active_count() <= before + 5
    finally:
        for connection in silent:
            connection.close()


def test_half_a_request_is_given_up_after_a_while(
    process: processes.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CAP)
        connection.connect(str(process.path))
        connection.sendall(b'{"ask"')
        assert connection.recv(1) == b""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_other_users_are_not_answered(process: processes.Process, runtime: Path) -> None:
    """Not even where the folder lets them in."""
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        's.sendall(b\'{"ask": "status"}\\n\'); print(s.recv(100))'
    )
    for path in (runtime, process.path.parent):
        path.chmod(0o755)
    process.path.chmod(0o777)
    # The system's own, which another user can start.
    python = min(Path("/usr/bin").glob("python3.*[0-9]"))
    said = {
        user: subprocess.run(
            [str(python), "-c", code, str(process.path)],
            user=user,
            capture_output=True,
            text=True,
            check=False,
            timeout=CAP,
            cwd="/",
        )
        for user in (0, 65534)
    }
    process.path.parent.chmod(0o700)
    assert said[0].stdout.startswith("b'{"), said[0].stderr
    assert "b'{" not in said[65534].stdout
    assert "PermissionError" not in said[65534].stderr
    assert answers(process)


def test_garbage_in_the_folder_is_no_process_and_hangs_nothing(process: processes.Process) -> None:
    place = process.path.parent
    (place / "folder.lock").mkdir()
    os.mkfifo(place / "pipe.lock")
    (place / "link.lock").symlink_to(place / "nowhere")
    (place / "4242.sock").touch()
    held = []
    for number, text in enumerate([b"", b"[]", b"{}", b"\xff", b"[" * 30_000, b'{"name": 1}']):
        (place / f"card{number}.json").write_bytes(text)
        lock = file_lock.take(place / f"card{number}.lock")
        assert lock is not None
        held.append(lock)
    os.mkfifo(place / "card9.json")
    lock = file_lock.take(place / "card9.lock")
    assert lock is not None
    held.append(lock)
    assert [each.pid for each in processes.processes()] == [os.getpid()]
    assert stat.S_ISDIR((place / "folder.lock").stat().st_mode)
    for each in held:
        os.close(each)
