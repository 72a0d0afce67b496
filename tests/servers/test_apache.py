"""Point 8: Apache, whose configuration is read off docs/apache.md."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from demo.client import Client
from servers import apache
from servers.apache_demo import main
from servers.folder import Folder
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

CAP = 20.0
# The lines that have an application run in the main interpreter.
_GROUP = re.compile(r"^WSGI(ApplicationGroup|ImportScript) .*\n", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    # The user that Apache runs as must be able to enter each folder.
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.geteuid() and place != place.parent:
            place.chmod(place.stat().st_mode | 0o755)
    return Folder(tmp_path)


@pytest.fixture
def serve(folder: Folder) -> Iterator[Callable[[str], Server]]:
    started: list[Server] = []

    def start(mode: str, *, in_global: bool = True) -> Server:
        port = free_port()
        command = apache.command(mode, port, folder.path)
        if not in_global:
            file = folder.path / "apache.conf"
            text = _GROUP.sub("", file.read_text())
            file.write_text(text.replace(" application-group=%{GLOBAL}", ""))
        started.append(Server(command, folder.path, port))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def edition(server: Server) -> int:
    """What is served; 0 while Apache restarts, when mod_wsgi may answer 503 or not at all."""
    client = Client(server.port)
    try:
        answer = client.get("/")
        return int(answer.content["editions"]["leaf"]) if answer.status == 200 else 0
    except (OSError, HTTPException):
        return 0
    finally:
        client.close()


def until(server: Server, expected: int) -> None:
    deadline = time.monotonic() + CAP
    while (found := edition(server)) != expected:
        assert time.monotonic() < deadline, f"edition {found}, not {expected}:\n{server.log}"
        time.sleep(0.01)


def test_point_8_the_shop_in_both_modes_while_wrk_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = main()
    told = capsys.readouterr()
    assert code == 0, told.out + told.err
    assert told.out.count("edits, all served                       20") == 2


@pytest.mark.parametrize("mode", ["Daemon mode", "Embedded mode"])
def test_a_graceful_restart_works_as_ever(
    folder: Folder, serve: Callable[[str], Server], mode: str
) -> None:
    server = serve(mode)
    server.wait_until_ready()
    until(server, 1)
    until(server, folder.edit())
    os.kill(server.pid, signal.SIGUSR1)
    deadline = time.monotonic() + CAP
    while "AH00493" not in server.log:  # "SIGUSR1 received.  Doing graceful restart"
        assert time.monotonic() < deadline, server.log
        time.sleep(0.01)
    server.wait_until_ready()
    until(server, 2)
    until(server, folder.edit())
    assert server.stop(), server.log


def test_in_a_sub_interpreter_the_error_says_what_to_write(
    serve: Callable[..., Server],
) -> None:
    """Without that, threads of the core would wait for the main interpreter for ever."""
    server = serve("Embedded mode", in_global=False)
    deadline = time.monotonic() + CAP
    while "WSGIApplicationGroup %{GLOBAL}" not in server.log:
        assert time.monotonic() < deadline, server.log
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=CAP):
                pass
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            time.sleep(0.05)
    assert "this is a sub-interpreter" in server.log
