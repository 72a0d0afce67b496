"""`transfuse status` and `transfuse rollback` ask running servers, whichever they are."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.serving import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

APP = """
VALUE = {0}

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{{"value": {0}}}']
"""


class Place(Project):
    """A folder with an application, and what its processes serve."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        super().__init__(folder, runtime)
        (folder / "serve.py").write_text('import transfuse\napp = transfuse.wsgi("web:app")\n')
        self.save_value(1)

    def save_value(self, value: int) -> None:
        self.save({"web.py": APP.format(value)})

    def served(self) -> set[int]:
        """The values of 30 answers: enough for each worker to give one."""
        return {self.ask()["value"] for _ in range(30)}

    def wait_until_all_serve(self, generation: int) -> list[dict[str, Any]]:
        for _ in range(200):
            statuses = self.statuses()
            if {each["generation"] for each in statuses} == {generation}:
                return statuses
        raise AssertionError(f"not all serve {generation}: {statuses}\n{self.log}")

    def wait_until(self, told: Callable[[set[int]], bool]) -> set[int]:
        """Wait for processes of which this is true, by their numbers."""
        for _ in range(200):
            pids = self.pids()
            if told(pids):
                return pids
        raise AssertionError(f"these serve: {pids}\n{self.log}")


@pytest.fixture
def place(tmp_path: Path, runtime: Path) -> Iterator[Place]:
    place = Place(tmp_path, runtime)
    yield place
    place.end()


def test_a_rollback_is_one_of_all_workers(place: Place) -> None:
    place.serve("--workers", "2")
    assert len(place.wait_until_all_serve(1)) == 2
    place.save_value(2)
    first, second = place.wait_until_all_serve(2)
    assert place.served() == {2}

    code, out = place.type("rollback", "--pid", str(second["pid"]))
    assert (code, "rolled back" in out) == (0, True), out
    place.wait_until_all_serve(3)
    assert place.served() == {1}

    place.save_value(4)
    place.wait_until_all_serve(4)
    # All are asked for at once, and it is one rollback all the same.
    code, out = place.type("rollback")
    assert code == 0, out
    place.wait_until_all_serve(5)
    assert place.served() == {1}
    lines = [line for line in out.splitlines() if f"process {second['pid']}" in line]
    assert re.search(rf": as process {first['pid']}; serving generation 5$", lines[0]), out


def test_status_finds_a_server_that_somebody_else_has_started(place: Place) -> None:
    words = ("uvicorn", "--interface", "wsgi", "--port", str(place.port), "serve:app")
    server = place.serve_by(*words)
    (status,) = place.statuses()
    assert (status["pid"], status["process"]) == (server.pid, "serve web:app")
    place.save_value(2)
    place.wait_until_all_serve(2)
    server.stop()
    assert place.pids() == set()


def test_p9_a_worker_that_is_killed_is_started_anew_and_serves_what_the_others_serve(
    place: Place,
) -> None:
    place.serve("--workers", "2")
    place.wait_until_all_serve(1)
    place.save_value(2)
    killed, left = [each["pid"] for each in place.wait_until_all_serve(2)]
    place.save({"web.py": "1/0\n"})
    os.kill(killed, signal.SIGKILL)
    now = place.wait_until(lambda pids: len(pids) == 2 and killed not in pids)
    assert left in now
    assert place.served() == {2}
    # The repair reaches both.
    place.save_value(3)
    place.wait_until_all_serve(3)
    assert place.served() == {3}
