"""P9, P15: fresh processes take over from those that serve, and no request is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from demo.client import Client
from servers.handover_load import Load
from support.serving import ASGI, CAP, WSGI, Project, lives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.servers

HANDOVERS = 5
# Where a process says that it is loading.
TELLS_ITS_PROCESS = """
with open(os.path.join(os.path.dirname(__file__), "loading"), "w") as file:
    file.write(str(os.getpid()))
"""
# And that it waits there until it may go on.
GATED = """
while not os.path.exists(os.path.join(os.path.dirname(__file__), "gate")):
    time.sleep(0.01)
"""
SHOWN = "def shown(): return {{'value': {0}}}\n"


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    yield project
    project.end()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("text", [ASGI, WSGI], ids=["asgi", "wsgi"])
def test_p9_no_request_is_lost_by_handovers_under_load(
    project: Project, text: str, workers: int
) -> None:
    """200 requests a second, on new and on idle connections, and one of 3 s that is always open."""
    project.save({"web.py": text + SHOWN.format(1)})
    project.serve("--workers", str(workers))
    with Load(project.port) as load:
        for _ in range(HANDOVERS):
            code, out = project.type("handover")
            assert code == 0, out + project.log
            # Each lasts until a request that was open has been answered by a retired process.
            wanted = load.count.answered["slow"] + 1
            project.until("a slow answer", partial(has_answered, load, wanted))
    count = load.count
    assert not count.lost, (count.why, project.log)
    assert count.answered["new"] > 500
    assert count.answered["idle"] > 500
    assert count.answered["slow"] >= HANDOVERS
    pids = {json.loads(body)["pid"] for body in count.bodies}
    assert len(pids) >= (HANDOVERS + 1) * workers if workers == 1 else HANDOVERS + 1


def test_p9_an_idle_connection_is_answered_once_more_and_closed_with_that(project: Project) -> None:
    project.save({"web.py": ASGI + SHOWN.format(1)})
    project.serve()
    with socket.create_connection(("127.0.0.1", project.port), CAP) as idle:
        first = ask(idle)
        assert b"connection: close" not in first.lower()
        code, out = project.type("handover")
        assert code == 0, out
        taken_over_from = json.loads(first.partition(b"\r\n\r\n")[2])["pid"]
        assert project.ask()["pid"] != taken_over_from
        last = ask(idle)
        assert b"connection: close" in last.lower()
        assert json.loads(last.partition(b"\r\n\r\n")[2])["pid"] == taken_over_from
        # And that was all.
        assert idle.recv(1) == b""
    project.until("its end", lambda: not lives(taken_over_from))


def test_p9_what_waits_to_be_accepted_is_answered_by_fresh_processes(project: Project) -> None:
    """The queue belongs to the parent: a process that accepts nothing loses nothing."""
    project.save({"web.py": ASGI + SHOWN.format(1)})
    project.serve()
    (before,) = project.pids()
    code, out = project.type("handover")
    assert code == 0, out
    os.kill(before, signal.SIGSTOP)
    try:
        assert project.ask()["pid"] != before
    finally:
        os.kill(before, signal.SIGCONT)


@pytest.mark.parametrize("text", [ASGI, WSGI], ids=["asgi", "wsgi"])
def test_p9_it_is_closed_with_that_though_the_process_is_busy_retiring(
    project: Project, text: str
) -> None:
    """Otherwise the next request on it may be on its way when the process ends."""
    # The last write of what was served takes long: the disk is slow.
    slow = """
    import time
    from transfuse.last_served import keeper
    end = keeper.end
    def end_late():
        if keeper.here() is not None:
            open("busy", "w").close()
            time.sleep(5)
        end()
    keeper.end = end_late
    """
    project.save({"slow.py": slow, "web.py": text + "import slow\n" + SHOWN.format(1)})
    project.serve()
    with socket.create_connection(("127.0.0.1", project.port), CAP) as idle:
        first = ask(idle)
        assert b"connection: close" not in first.lower()
        handed = project.begin("handover")
        project.until("it retires", (project.folder / "busy").exists)
        assert b"connection: close" in ask(idle).lower()
        assert idle.recv(1) == b""
    out, _ = handed.communicate(timeout=CAP)
    assert handed.returncode == 0, out


def asked(stream: ClientConnection) -> Any:
    """Ask on a WebSocket, and return the answer."""
    stream.send("?")
    return json.loads(stream.recv(CAP))


def test_a_websocket_lasts_and_with_drain_it_is_told_to_connect_again(project: Project) -> None:
    project.save({"web.py": ASGI + SHOWN.format(1)})
    project.serve()
    (before,) = project.pids()
    with connect(f"ws://127.0.0.1:{project.port}/") as stream:
        assert asked(stream) == {"value": 1}
        project.save({"web.py": ASGI + SHOWN.format(2)})
        project.until_answered(value=2)
        code, out = project.type("handover")
        assert code == 0, out
        assert asked(stream) == {"value": 1}
        assert lives(before)
    project.until("its end", lambda: not lives(before))

    (project.folder / "pyproject.toml").write_text(
        '[tool.transfuse]\nroots = ["site"]\ndrain = 0.1\n'
    )
    project.until_logged("drain is 0.1 now")
    with connect(f"ws://127.0.0.1:{project.port}/") as stream:
        (before,) = project.pids()
        code, out = project.type("handover")
        assert code == 0, out
        with pytest.raises(ConnectionClosedError) as closed:
            stream.recv(CAP)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    project.until("its end", lambda: not lives(before))


def test_fresh_processes_that_are_killed_change_nothing(project: Project) -> None:
    project.save({"web.py": WSGI + SHOWN.format(1)})
    project.serve()
    before = project.pids()
    project.save({"web.py": WSGI + f"__reload__ = 'never'\n{TELLS_ITS_PROCESS}time.sleep(60)\n"})
    project.until("a fresh process that loads", lambda: loading(project) is not None)
    pid = loading(project)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    project.until_logged("ended before it was ready")
    assert project.pids() == before
    assert project.ask()["value"] == 1


def test_a_worker_that_is_killed_after_a_handover_is_replaced(project: Project) -> None:
    project.save({"web.py": WSGI + SHOWN.format(1)})
    project.serve("--workers", "2")
    code, out = project.type("handover")
    assert code == 0, out
    killed, left = project.pids()
    os.kill(killed, signal.SIGKILL)
    project.until("two again", lambda: len(project.pids() - {killed}) == 2)
    assert left in project.pids()
    project.save({"web.py": WSGI + SHOWN.format(2)})
    project.until_answered(value=2)


def test_a_rollback_while_fresh_processes_start_is_theirs_too(project: Project) -> None:
    project.save({"web.py": WSGI + SHOWN.format(1)})
    project.serve()
    (before,) = project.pids()
    gate = project.folder / "site" / "gate"
    gate.touch()
    project.save({"web.py": WSGI + TELLS_ITS_PROCESS + GATED + SHOWN.format(2)})
    project.until_answered(value=2)
    gate.unlink()
    asked = project.begin("handover")
    project.until("a fresh process that loads", lambda: loading(project) not in (None, before))
    code, out = project.type("rollback", "--pid", str(before))
    assert code == 0, out
    told, _ = asked.communicate(timeout=CAP)
    assert asked.returncode == 0, told
    answer = project.ask()
    assert answer["value"] == 1
    assert answer["pid"] != before


def test_p16_what_was_rolled_back_stays_back_over_a_handover(project: Project) -> None:
    project.save({"web.py": WSGI + SHOWN.format(1), "other.py": ""})
    project.serve()
    project.save({"web.py": WSGI + SHOWN.format(2)})
    project.until_answered(value=2)
    for command in ("rollback", "handover"):
        code, out = project.type(command)
        assert code == 0, out
        assert project.ask()["value"] == 1
    code, out = project.type("update")
    assert (code, project.ask()["value"]) == (0, 1), out
    code, out = project.type("accept")
    assert (code, project.ask()["value"]) == (0, 2), out


def loading(project: Project) -> int | None:
    """The process that has begun to load last."""
    path = project.folder / "site" / "loading"
    text = path.read_text() if path.exists() else ""
    return int(text) if text else None


def has_answered(load: Load, slow: int) -> bool:
    return load.count.answered["slow"] >= slow


def ask(connection: socket.socket) -> bytes:
    """Ask on a connection, and return the whole answer."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got or not got.endswith(b"}"):
        more = connection.recv(65536)
        assert more, got
        got += more
    return got


def test_the_server_ends_with_all_its_processes(project: Project) -> None:
    """Also with a process that others have taken over from, and which still has a connection."""
    project.save({"web.py": ASGI + SHOWN.format(1)})
    server = project.serve()
    (before,) = project.pids()
    client = Client(project.port)
    client.get("/")
    code, out = project.type("handover")
    assert code == 0, out
    (after,) = project.pids()
    assert lives(before)
    assert server.stop(), project.log
    assert not lives(before)
    assert not lives(after)
    client.close()


def test_a_dry_run_names_what_would_be_left_behind_and_does_nothing(project: Project) -> None:
    project.save({"web.py": WSGI + SHOWN.format(1)})
    project.serve()
    before = project.pids()
    code, out = project.type("handover", "--dry-run")
    assert (code, "nothing would be left behind" in out) == (0, True), out
    keeps = "__preserve__ = ['cache']\ncache = {}\n"
    project.save({"web.py": WSGI + keeps + SHOWN.format(2)})
    project.until_answered(value=2)
    code, out = project.type("handover", "--dry-run", "--json")
    reply = json.loads(out)
    assert (code, reply["outcome"]) == (0, "planned"), out
    assert reply["text"] == "fresh processes start without web.cache (preserved)"
    assert project.pids() == before


def test_under_another_server_the_line_to_type_is_told(project: Project) -> None:
    project.save({"web.py": WSGI + "__reload__ = 'never'\n" + SHOWN.format(1)})
    (project.folder / "serve.py").write_text(
        "import logging, transfuse\nlogging.basicConfig(level=logging.INFO)\n"
        "app = transfuse.wsgi('web:app')\n"
    )
    words = ["gunicorn", "--worker-class", "gthread", "--threads", "8", "--bind"]
    server = project.serve_by(*words, f"127.0.0.1:{project.port}", "serve:app")
    line = f"kill -HUP {server.pid} starts gunicorn's workers anew, and loses no request"
    project.save({"web.py": WSGI + "__reload__ = 'never'\n" + SHOWN.format(2)})
    project.until_logged(f"web cannot change in a running process: {line}")
    code, out = project.type("handover")
    assert (code, line in out) == (2, True), out
    # And that is true.
    with Load(project.port, rate=100, idle=10) as load:
        os.kill(server.pid, signal.SIGHUP)
        project.until_answered(value=2)
    assert not load.count.lost, (load.count.why, project.log)


def test_what_was_refused_in_place_is_not_served_by_fresh_processes(project: Project) -> None:
    """Nor where it is imported by requests only, so that they would begin without it."""
    shown = "def shown():\n    import late\n    return {{'value': late.VALUE, 'edition': {0}}}\n"
    project.save({"web.py": WSGI + shown.format(1), "late.py": "VALUE = 1\n"})
    project.serve()
    before = project.ask()
    project.save({"late.py": "VALUE = 1 / 0\n"})
    project.until_logged("ZeroDivisionError")
    code, out = project.type("handover")
    assert (code, "late cannot be loaded: ZeroDivisionError" in out) == (1, True), out
    assert project.ask() == before
    project.save({"late.py": "VALUE = 2\n"})
    project.until_answered(value=2)


def test_status_tells_which_processes_finish_what_they_have(project: Project) -> None:
    project.save({"web.py": ASGI + SHOWN.format(1)})
    project.serve()
    (before,) = project.pids()
    with connect(f"ws://127.0.0.1:{project.port}/") as stream:
        assert asked(stream) == {"value": 1}
        code, out = project.type("handover")
        assert code == 0, out

        def told() -> dict[str, Any] | None:
            _, out = project.type("status", "--json")
            found: list[dict[str, Any]] = json.loads(out)["finishing"]
            return found[0] if found else None

        project.until("a word of it", lambda: told() is not None)
        finishing = told()
        assert finishing is not None
        assert (finishing["pid"], finishing["requests"]) == (before, 1)
        # Nothing ends a WebSocket without the setting `drain`.
        assert finishing["ends_by"] is None
        assert f"finishing    process {before}: 1 request, since " in project.type("status")[1]
    project.until("its end", lambda: not lives(before))
    assert told() is None
