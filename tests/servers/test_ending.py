"""Ctrl-C ends `transfuse serve` at once, SIGTERM within a limit, and SIGHUP updates.

With real processes, in each mode, and at every moment: a signal must not be lost to one that comes
at the same time.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.client import Client
from servers.process import free_port
from transfuse.control import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

CAP = 30.0
WSGI = """
import os, time
VALUE = 1
print("loading", flush=True)
time.sleep(float(os.environ.get("LOADING", 0)))

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        start_response("200 OK", [("Content-Type", "application/json")])
        folder = os.environ["FOLDER"]
        open(os.path.join(folder, "running"), "w").close()
        while not os.path.exists(os.path.join(folder, "go")):
            time.sleep(0.01)
        return [b'{"value": "done"}']
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"value": %d}' % VALUE]
"""
ASGI = """
import asyncio, os, time
VALUE = 1
print("loading", flush=True)
time.sleep(float(os.environ.get("LOADING", 0)))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            print(message["type"], flush=True)
            if message["type"] == "lifespan.shutdown":
                return
    body = b'{"value": %d}' % VALUE
    if scope["path"] == "/wait":
        folder = os.environ["FOLDER"]
        open(os.path.join(folder, "running"), "w").close()
        while not os.path.exists(os.path.join(folder, "go")):
            await asyncio.sleep(0.01)
        body = b'{"value": "done"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
MODES = {"wsgi": WSGI, "asgi": ASGI}


class Serving:
    """`transfuse serve`, in a session of its own."""

    def __init__(
        self, folder: Path, mode: str, *words: str, stderr: int | None = None, **environ: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "web.py").write_text(MODES[mode])
        command = [sys.executable, "-m", "transfuse", "serve", "web:app", "--interface", mode]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *words],
                cwd=folder,
                env={**os.environ, "FOLDER": str(folder), "NO_COLOR": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                start_new_session=True,
                # As a terminal starts it: the jobs of a script in its background ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no lock
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until(self, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + CAP
        while self.log.count(text) < count:
            assert time.monotonic() < deadline, self.log
            assert self.process.poll() is None, self.log
            time.sleep(0.01)

    def until_it_answers(self) -> None:
        deadline = time.monotonic() + CAP
        while True:
            with contextlib.suppress(OSError, HTTPException):
                self.get()
                return
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def interrupt(self, *, group: bool = True) -> None:
        """Send Ctrl-C, as a terminal does, or to the one process."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, signal.SIGINT)

    def ended(self) -> int:
        """Wait for the end; AssertionError if it, or a worker, goes on."""
        try:
            code = self.process.wait(CAP)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it goes on:\n{self.log}") from None
        # A helper of multiprocessing ends when it sees that its parent has.
        deadline = time.monotonic() + CAP
        while going_on := living(self.process.pid):
            assert time.monotonic() < deadline, f"workers go on: {going_on}\n{self.log}"
            time.sleep(0.01)
        return code

    def get(self, path: str = "/") -> object:
        client = Client(self.port)
        try:
            return client.get(path).content["value"]
        finally:
            client.close()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(CAP)


def living(session: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(name)
    return found


@pytest.fixture
def folder(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    yield tmp_path
    assert processes.processes() == []


@pytest.mark.parametrize("group", [True, False], ids=["terminal", "kill"])
@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_ends_a_server_each_time(folder: Path, mode: str, group: bool) -> None:
    for workers in (1, 2, 1, 2, 2):
        serving = Serving(folder, mode, "--workers", str(workers))
        try:
            serving.until("lifespan.startup" if mode == "asgi" else "serving web:app", workers)
            serving.interrupt(group=group)
            assert serving.ended() == 0
            assert serving.log.endswith("transfuse: ended by Ctrl-C\n"), serving.log
            assert "Traceback" not in serving.log
            assert "Unexpected" not in serving.log
            if mode == "asgi":
                assert serving.log.count("lifespan.shutdown") == workers
        finally:
            serving.close()


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_ends_a_server_at_whatever_moment(folder: Path, mode: str) -> None:
    """From before it has found its application to when it serves."""
    rng = random.Random(17)
    for number in range(10):
        serving = Serving(folder, mode, "--workers", "2", LOADING="0.2")
        try:
            # Not waiting for an event is the point.
            time.sleep(rng.uniform(0.1, 1.6))
            serving.interrupt(group=bool(number % 2))
            code = serving.ended()
            # Before its first line Python itself ends it.
            if code != -signal.SIGINT and "Traceback" not in serving.log:
                assert code in (0, 130)
                assert serving.log.endswith("transfuse: ended by Ctrl-C\n"), serving.log
        finally:
            serving.close()


def test_ctrl_c_while_new_interpreters_start(folder: Path) -> None:
    """As workers are started by default from Python 3.14 on: they show no traceback."""
    (folder / "sitecustomize.py").write_text(
        "import contextlib, multiprocessing\n"
        "with contextlib.suppress(RuntimeError): multiprocessing.set_start_method('spawn')\n"
    )
    rng = random.Random(17)
    for _ in range(4):
        serving = Serving(folder, "wsgi", "--workers", "2", PYTHONPATH=str(folder))
        try:
            deadline = time.monotonic() + CAP
            # Its workers, and the helper of multiprocessing.
            while len(living(serving.process.pid)) < 4:
                assert time.monotonic() < deadline, serving.log
            time.sleep(rng.uniform(0, 0.3))
            serving.interrupt()
            assert serving.ended() == 0
            assert serving.log.endswith("transfuse: ended by Ctrl-C\n"), serving.log
            assert "Traceback" not in serving.log, serving.log
        finally:
            serving.close()


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_twice_and_while_the_application_loads(folder: Path, mode: str) -> None:
    serving = Serving(folder, mode, "--workers", "2", LOADING="50")
    try:
        serving.until("loading", 2)
        for _ in range(3):
            serving.interrupt()
        assert serving.ended() == 0
        assert serving.log.endswith("transfuse: ended by Ctrl-C\n"), serving.log
        assert serving.log.count("Ctrl-C") == 1
    finally:
        serving.close()


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_waits_for_no_request(folder: Path, mode: str) -> None:
    serving = Serving(folder, mode)
    try:
        serving.until_it_answers()
        thread = threading.Thread(target=lose, args=(serving,))
        thread.start()
        wait_for_file(folder / "running")
        serving.interrupt()
        assert serving.ended() == 0
        assert re.search(
            r"transfuse: ended by Ctrl-C(; killed what had not ended: process \d+)?\n$", serving.log
        )
        thread.join(CAP)
    finally:
        serving.close()


def lose(serving: Serving) -> None:
    with contextlib.suppress(OSError, HTTPException):
        serving.get("/wait")


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + CAP
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("mode", MODES)
def test_p9_sigterm_lets_a_running_request_finish(folder: Path, mode: str) -> None:
    serving = Serving(folder, mode, "--stop-within", str(CAP))
    answers: list[object] = []
    try:
        serving.until_it_answers()
        thread = threading.Thread(target=lambda: answers.append(serving.get("/wait")))
        thread.start()
        wait_for_file(folder / "running")
        serving.process.send_signal(signal.SIGTERM)
        serving.until(f"transfuse: SIGTERM: running requests have {CAP:g} s to finish")
        (folder / "go").touch()
        assert serving.ended() == 0
        thread.join(CAP)
        assert answers == ["done"]
        assert serving.log.endswith("transfuse: ended by SIGTERM\n"), serving.log
    finally:
        serving.close()


@pytest.mark.parametrize("mode", MODES)
def test_sigterm_has_a_limit(folder: Path, mode: str) -> None:
    serving = Serving(folder, mode, "--stop-within", "0.3")
    try:
        serving.until_it_answers()
        thread = threading.Thread(target=lose, args=(serving,))
        thread.start()
        wait_for_file(folder / "running")
        serving.process.send_signal(signal.SIGTERM)
        assert serving.ended() == 0
        assert re.search(
            r"transfuse: ended by SIGTERM; killed what had not ended: process \d+\n$", serving.log
        ), serving.log
        thread.join(CAP)
    finally:
        serving.close()


def test_ctrl_c_ends_a_server_that_waits_for_its_requests(folder: Path) -> None:
    serving = Serving(folder, "asgi", "--stop-within", "1000")
    try:
        serving.until_it_answers()
        thread = threading.Thread(target=lose, args=(serving,))
        thread.start()
        wait_for_file(folder / "running")
        serving.process.send_signal(signal.SIGTERM)
        serving.until("SIGTERM: running requests")
        serving.interrupt()
        assert serving.ended() == 0
        assert "ended by Ctrl-C" in serving.log
        thread.join(CAP)
    finally:
        serving.close()


@pytest.mark.parametrize("to", ["parent", "worker"])
@pytest.mark.parametrize("mode", MODES)
def test_sighup_updates(folder: Path, mode: str, to: str) -> None:
    serving = Serving(folder, mode, "--no-watch", "--workers", "2")
    try:
        serving.until("serving web:app", 2)
        pids = [int(pid) for pid in re.findall(r"process (\d+); not", serving.log)]
        target = serving.process.pid if to == "parent" else pids[0]
        serving.until_it_answers()
        beside = folder / "web.new"
        beside.write_text(MODES[mode].replace("VALUE = 1", "VALUE = 2"))
        beside.replace(folder / "web.py")
        os.kill(target, signal.SIGHUP)
        # In both, because workers update together.
        serving.until("serving generation 2", 2)
        assert {serving.get() for _ in range(10)} == {2}
        os.kill(target, signal.SIGHUP)
        serving.until("SIGHUP: nothing to update")
        assert {serving.get() for _ in range(10)} == {2}
        serving.process.send_signal(signal.SIGTERM)
        assert serving.ended() == 0
    finally:
        serving.close()


def test_a_terminal_that_is_closed_ends_its_server(folder: Path) -> None:
    """Its hangup is no update."""
    serving = folder / "web.py"
    serving.write_text(ASGI)
    port = str(free_port())
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        # Under `nohup`, as these tests may run, a server outlives its terminal.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        command = [sys.executable, "-m", "transfuse", "serve", "web:app", "--port", port]
        os.execve(sys.executable, command, {**os.environ, "TERM": "dumb"})
    shown = b""
    deadline = time.monotonic() + CAP
    while b"serving web:app" not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
    os.close(terminal)
    while living(pid):
        assert time.monotonic() < deadline, living(pid)
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
