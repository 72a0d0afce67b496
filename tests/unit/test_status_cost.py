"""`status` counts: it never walks the heap, and does not wait for an update that is under way."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import transfuse
from conftest import CAP
from support.threads import Worker
from transfuse import _core
from transfuse.cli.status import status_lines
from transfuse.control import processes, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LiveTree

WALKS = ("collect", "get_objects", "get_referents", "get_referrers")


@pytest.fixture
def no_walk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Once these are set, who walks the heap fails."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the heap is walked")

    for name in WALKS:
        monkeypatch.setattr(gc, name, refuse)
    for name in ("heap", "referrers"):
        monkeypatch.setattr(_core, name, refuse)
    return monkeypatch


@pytest.fixture
def process(
    tree: LiveTree, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[processes.Process]:
    """This process, as the command line reaches it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    tree.write({"shop.py": "def f(): pass\n"})
    tree.install(policy="fresh", keep=0)
    assert unix_socket.serve("run shop.py")
    (found,) = processes.processes()
    yield found
    unix_socket.close()


def linger(tree: LiveTree, count: int) -> list[Any]:
    """Make updates until so many former modules are in memory."""
    kept = []
    for number in range(count):
        kept.append(tree.module("shop").f)
        tree.published({"shop.py": f"def f(): pass\n# {number}\n"})
    gc.collect()
    return kept


def test_status_walks_no_heap_however_many_modules_linger(
    tree: LiveTree, process: processes.Process, request: pytest.FixtureRequest
) -> None:
    kept = linger(tree, 30)
    request.getfixturevalue("no_walk")
    said = processes.ask(process, "status")
    assert (said["generation"], said["lingering"]) == (31, len(kept))
    assert transfuse.status().lingering == len(kept)


def test_status_answers_while_an_update_runs(
    tree: LiveTree,
    process: processes.Process,
    outside: Any,
    request: pytest.FixtureRequest,
) -> None:
    import threading  # noqa: PLC0415

    kept = linger(tree, 3)
    outside.begun, outside.go = threading.Event(), threading.Event()
    tree.write({"shop.py": f"import outside\noutside.begun.set()\noutside.go.wait({CAP})\n"})
    worker = Worker(transfuse.update)
    assert outside.begun.wait(CAP)
    request.getfixturevalue("no_walk")
    said = processes.ask(process, "status")
    assert (said["generation"], said["lingering"], worker.running) == (4, len(kept), True)
    request.getfixturevalue("monkeypatch").undo()
    outside.go.set()
    assert worker.result().outcome == "published"


def test_the_lines_of_a_status_are_limited(tree: LiveTree, process: processes.Process) -> None:
    linger(tree, 1)
    said = processes.ask(process, "status")
    many = {
        "lingering": 1309,
        "units": [
            {"what": f"GET /{n}", "seconds": 1.0, "thread": "T", "where": "", "generation": 1}
            for n in range(500)
        ],
        "restart": [[f"m{n}", "never-policy", "restart"] for n in range(500)],
        "unreadable": [[f"/srv/{n}", "Permission denied"] for n in range(500)],
    }
    lines = status_lines({**said, **many})
    assert len(lines) <= 40
    assert (
        "  in memory    1309 of former generations; if they become more: transfuse leaks" in lines
    )
    assert lines.count("  in use by    492 more; --json lists all") == 1
