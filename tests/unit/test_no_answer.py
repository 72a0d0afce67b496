"""A process that is stopped or busy is told as such, and looking at it changes nothing for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from conftest import CAP
from transfuse.control import processes
from transfuse.errors import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVING = """
import ctypes, sys
from transfuse.control import unix_socket
assert unix_socket.serve("serve shop:app")
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
# Holds the GIL until a byte comes: a call into C.
BUSY = "ctypes.PyDLL(None).read({}, ctypes.create_string_buffer(1), 1)\n"
# More than the system keeps waiting for a process that does not accept.
MANY = 140


@pytest.fixture
def wake() -> Iterator[tuple[int, int]]:
    """A pipe, whose first end the server inherits."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def server(
    runtime: Path, wake: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with subprocess.Popen(
        [sys.executable, "-c", SERVING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=wake[:1],
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield server
        server.send_signal(signal.SIGCONT)
        server.kill()


def wait_until_stopped(pid: int) -> None:
    found, status = os.waitpid(pid, os.WUNTRACED)
    assert found == pid
    assert os.WIFSTOPPED(status)


def test_a_stopped_process_is_told_as_such_and_answers_when_it_goes_on(
    server: subprocess.Popen[str], runtime: Path
) -> None:
    server.send_signal(signal.SIGSTOP)
    wait_until_stopped(server.pid)
    before = sorted(runtime.rglob("*"))
    (process,) = processes.processes()
    with pytest.raises(NoAnswer) as caught:
        processes.ask(process, "hello", timeout=0.2)
    assert str(caught.value) == (
        f"process {server.pid} does not answer within 0.2 s: it is stopped, by a signal or a"
        f" debugger; kill -CONT {server.pid} continues it"
    )
    # What takes long is not even asked for.
    with pytest.raises(NoAnswer):
        processes.ask(process, "update", timeout=None, within=0.2)
    assert sorted(runtime.rglob("*")) == before
    server.send_signal(signal.SIGCONT)
    assert processes.ask(process, "hello", timeout=CAP)["process"] == "serve shop:app"


def test_more_questions_than_the_system_keeps_do_not_end_a_process(
    server: subprocess.Popen[str], runtime: Path
) -> None:
    server.send_signal(signal.SIGSTOP)
    wait_until_stopped(server.pid)
    before = sorted(runtime.rglob("*"))
    for _ in range(MANY):
        (process,) = processes.processes()
        with pytest.raises(NoAnswer) as caught:
            processes.ask(process, "hello", timeout=0.001)
        assert caught.value.state == "stopped"
    assert sorted(runtime.rglob("*")) == before
    server.send_signal(signal.SIGCONT)
    assert processes.ask(process, "hello", timeout=CAP)["pid"] == server.pid


def test_a_busy_process_is_told_as_such(
    server: subprocess.Popen[str], wake: tuple[int, int]
) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(BUSY.format(wake[0]))
    server.stdin.flush()
    caught = None
    # It may take a moment until it is busy.
    for _ in range(200):
        (process,) = processes.processes()
        try:
            processes.ask(process, "hello", timeout=0.05)
        except NoAnswer as error:
            caught = error
            break
    assert caught is not None
    assert caught.state == "busy"
    assert "it is busy, or something in it holds the GIL" in str(caught)
    os.write(wake[1], b"x")
    assert server.stdout.readline() == "done\n"
    assert processes.ask(process, "hello", timeout=CAP)["pid"] == server.pid


def test_a_process_that_has_ended_is_told_as_such(server: subprocess.Popen[str]) -> None:
    (process,) = processes.processes()
    server.kill()
    server.wait(CAP)
    with pytest.raises(NoAnswer, match=f"process {server.pid} has ended"):
        processes.ask(process, "hello")
    assert processes.processes() == []
