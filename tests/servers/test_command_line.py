"""`transfuse status` and `transfuse rollback` ask running servers, whichever they are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from demo.client import Client
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        return [each for each in all_of_them if each["roots"] == [str(self.place / "site")]]

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

    def end(self) -> None:
        if self._server is not None:
            self._server.stop()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
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
