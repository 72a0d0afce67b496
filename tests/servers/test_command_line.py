"""`transfuse status` and `transfuse rollback` ask running servers, whichever they are."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from demo.client import Client
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

CAP = 60.0
APP = """
VALUE = {0}

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{{"value": {0}}}']
"""
UVICORN = [sys.executable, "-m", "uvicorn", "--interface", "wsgi", "--port"]


class Place:
    """A folder with an application, served; and the command line beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "site").mkdir()
        (place / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["site"]\n')
        (place / "serve.py").write_text('import transfuse\napp = transfuse.wsgi("web:app")\n')
        self.save(1)
        self.port = free_port()
        self._server: Server | None = None

    def save(self, value: int) -> None:
        beside = self.place / "site" / "web.new"
        beside.write_text(APP.format(value))
        beside.replace(self.place / "site" / "web.py")

    def serve(self, *command: str) -> Server:
        self._server = Server([*command], self.place, self.port)
        self._server.wait_until_ready()
        return self._server

    def type(self, *words: str) -> tuple[int, str]:
        """What a command answers of the processes of this server: its code, and its output."""
        done = subprocess.run(
            [sys.executable, "-m", "transfuse", *words],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=CAP,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def stand(self) -> list[dict[str, Any]]:
        """How the processes stand that serve this folder; others of this user may, too."""
        _, out = self.type("status", "--json")
        all_of_them = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return [each for each in all_of_them if each.get("roots") == [str(self.place / "site")]]

    def served(self) -> set[int]:
        """What is answered, asked so often that each worker has answered."""
        found = set()
        for _ in range(30):
            client = Client(self.port)
            try:
                found.add(client.get("/").content["value"])
            finally:
                client.close()
        return found

    def wait_until_all_serve(self, generation: int) -> list[dict[str, Any]]:
        for _ in range(200):
            stand = self.stand()
            if {each["generation"] for each in stand} == {generation}:
                return stand
        raise AssertionError(f"not all serve {generation}: {stand}\n{self._server}")

    def wait_until(self, told: Callable[[set[int]], bool]) -> set[int]:
        """Wait for processes of which this is true, by their numbers."""
        for _ in range(200):
            pids = {each["pid"] for each in self.stand()}
            if told(pids):
                return pids
        raise AssertionError(f"these serve: {pids}\n{self._server}")

    def end(self) -> None:
        if self._server is not None:
            self._server.stop()


@pytest.fixture
def place(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    # `rollback` is for all servers of this user: those of others are let be.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    place = Place(tmp_path)
    yield place
    place.end()


def test_a_rollback_is_one_of_all_workers(place: Place) -> None:
    command = [sys.executable, "-m", "transfuse", "serve", "web:app", "--workers", "2"]
    place.serve(*command, "--port", str(place.port))
    assert len(place.wait_until_all_serve(1)) == 2
    place.save(2)
    first, second = place.wait_until_all_serve(2)
    assert place.served() == {2}

    code, out = place.type("rollback", "--pid", str(second["pid"]))
    assert (code, "rolled back" in out) == (0, True), out
    place.wait_until_all_serve(3)
    assert place.served() == {1}

    place.save(4)
    place.wait_until_all_serve(4)
    # All are asked for at once, and it is one rollback all the same.
    code, out = place.type("rollback")
    assert code == 0, out
    place.wait_until_all_serve(5)
    assert place.served() == {1}
    lines = [line for line in out.splitlines() if f"process {second['pid']}" in line]
    assert re.search(rf": as process {first['pid']}; serving generation 5$", lines[0]), out


def test_status_finds_a_server_that_somebody_else_has_started(place: Place) -> None:
    server = place.serve(*UVICORN, str(place.port), "serve:app")
    (stand,) = place.stand()
    assert (stand["pid"], stand["process"]) == (server.pid, "serve web:app")
    place.save(2)
    place.wait_until_all_serve(2)
    server.stop()
    assert place.stand() == []


def test_p9_a_worker_that_is_killed_is_started_anew_and_serves_what_the_others_serve(
    place: Place,
) -> None:
    command = [sys.executable, "-m", "transfuse", "serve", "web:app", "--workers", "2"]
    place.serve(*command, "--port", str(place.port))
    place.wait_until_all_serve(1)
    place.save(2)
    killed, left = [each["pid"] for each in place.wait_until_all_serve(2)]
    (place.place / "site" / "web.py").write_text("1/0\n")
    os.kill(killed, signal.SIGKILL)
    now = place.wait_until(lambda pids: len(pids) == 2 and killed not in pids)
    assert left in now
    assert place.served() == {2}
    # The repair reaches both.
    place.save(3)
    place.wait_until_all_serve(3)
    assert place.served() == {3}
