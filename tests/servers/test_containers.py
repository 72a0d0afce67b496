"""Processes of containers that share a runtime folder are told apart, and do no harm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from machine import CAP, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers


@pytest.fixture
def machine(tmp_path: Path, runtime: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, runtime)
    yield machine
    machine.end()


CONTAINER = ["unshare", "--pid", "--mount", "--fork", "--mount-proc"]


def has_containers() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0


containers = pytest.mark.skipif(not has_containers(), reason="no containers can be made here")


@containers
def test_a_look_from_a_container_takes_nothing_from_the_processes_outside(
    machine: Machine, runtime: Path
) -> None:
    shop = machine.project("shop")
    running = machine.run(shop)
    workers = machine.run(shop, lines=2, words=(sys.executable, "parent.py"))
    before = sorted(runtime.rglob("*"))
    inside = subprocess.run(
        [*CONTAINER, sys.executable, "-m", "transfuse", "ps", "--json"],
        env={**os.environ, **machine.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=CAP,
    )
    rows = [json.loads(line) for line in inside.stdout.splitlines()]
    # They live, and their process ids mean nothing there.
    assert [(row["pid"], row["state"]) for row in rows] == [(None, "serving")] * 3
    # A server that starts there removes nothing either.
    machine.run(shop, lines=2, words=(*CONTAINER, sys.executable, "parent.py")).end()
    assert set(before) <= set(runtime.rglob("*"))
    assert len(machine.pids(shop, "status")) == 3
    assert workers.process.poll() is None
    assert running.ask() == "1"


RELEASE = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "worker.py"], stdin=subprocess.PIPE)
for line in sys.stdin:
    pass
worker.stdin.close()
worker.wait()
"""
SHOWS = """
import sys
import transfuse
from transfuse.control import unix_socket
transfuse.install(watch=False)
import prices
assert unix_socket.serve("serve shop")
print("ready", prices.PRICE, flush=True)
for line in sys.stdin:
    pass
"""


@containers
def test_two_containers_with_the_same_ids_and_paths_are_two_servers(machine: Machine) -> None:
    """In both, the parent is process 1, and the project is at the same path: of two releases."""
    at = machine.place / "app"
    at.mkdir()
    running = []
    for number, release in enumerate(("old", "new"), 1):
        folder = machine.project(release)
        (folder / "parent.py").write_text(RELEASE)
        (folder / "worker.py").write_text(SHOWS)
        machine.save(folder, number)
        script = f"mount --bind {folder} {at} && cd {at} && exec {sys.executable} parent.py"
        running.append(machine.run(at, lines=0, words=(*CONTAINER, "sh", "-c", script)))
        assert running[-1].line() == f"ready {number}"
        # What the first one has on disk by now is none of the second one's business.
        (folder / "prices.py").write_text("PRICE = (\n")
    rows = machine.rows(machine.place, "ps")
    assert len({row["server"] for row in rows}) == 2
    # Each as its own project: the path is the same, and leads to another folder.
    for release in ("old", "new"):
        found = machine.rows(machine.place / release, "status")
        assert len(found) == 1
        assert found[0]["pid"] in [row["pid"] for row in rows]
    assert machine.type(at, "status")[0] == 2
