"""P15: under each other server the line to type is told, and it does start fresh processes."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from support.serving import ASGI, WSGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SERVE = """
import logging, transfuse
logging.basicConfig(level=logging.INFO)
app = transfuse.{0}("web:app")
"""
SHOWN = "__reload__ = 'never'\ndef shown(): return {{'value': {0}}}\n"
PORT, BIND = "--port {port}", "--bind 127.0.0.1:{port}"
ANEW = "starts {0}'s workers anew, "
IDLE = "and loses requests on connections that are kept alive"
NOTHING = "and loses no request"
# The interface, the server's line, and what is told.
BY_HUP = {
    "uvicorn": ("asgi", f"uvicorn {PORT} --workers 2 serve:app", ANEW.format("uvicorn") + IDLE),
    "granian": (
        "asgi",
        f"granian {PORT} --interface asgi serve:app",
        ANEW.format("Granian") + IDLE,
    ),
    "granian, wsgi": (
        "wsgi",
        f"granian {PORT} --interface wsgi --blocking-threads 8 serve:app",
        ANEW.format("Granian") + IDLE,
    ),
    "gunicorn, gevent": (
        "wsgi",
        f"gunicorn {BIND} --worker-class gevent serve:app",
        ANEW.format("gunicorn") + NOTHING,
    ),
    "gunicorn, uvicorn": (
        "asgi",
        f"gunicorn {BIND} --worker-class uvicorn_worker.UvicornWorker serve:app",
        ANEW.format("gunicorn") + IDLE,
    ),
    "hypercorn": (
        "asgi",
        f"hypercorn {BIND} serve:app",
        ANEW.format("hypercorn") + "and loses requests, on new connections too",
    ),
}
ALONE = {
    "uvicorn": ("asgi", f"uvicorn {PORT} serve:app"),
    "waitress": ("wsgi", "waitress --listen=127.0.0.1:{port} serve:app"),
}


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    yield project
    project.end()


def change(project: Project, interface: str, line: str) -> None:
    """Serve by a server, and change what cannot change in its processes."""
    text = ASGI if interface == "asgi" else WSGI
    project.save({"web.py": text + SHOWN.format(1)})
    (project.folder / "serve.py").write_text(SERVE.format(interface))
    project.serve_by(*line.format(port=project.port).split())
    project.save({"web.py": text + SHOWN.format(2)})
    project.until_logged("web cannot change in a running process: ")
    assert project.ask()["value"] == 1


@pytest.mark.parametrize("name", BY_HUP)
def test_p15_the_line_that_is_told_starts_fresh_processes(project: Project, name: str) -> None:
    interface, line, words = BY_HUP[name]
    change(project, interface, line)
    told = re.search(r"web cannot change in a running process: kill -HUP (\d+) (.*)", project.log)
    assert told is not None, project.log
    assert told[2].startswith(words)
    os.kill(int(told[1]), signal.SIGHUP)
    project.until("the new code", lambda: asked(project) == 2)


def asked(project: Project) -> int | None:
    """What is answered, by a server that may lose requests."""
    try:
        value: int = project.ask()["value"]
    except (OSError, AssertionError):
        return None
    return value


@pytest.mark.parametrize("name", ALONE)
def test_p15_where_nothing_starts_them_the_process_is_named(project: Project, name: str) -> None:
    change(project, *ALONE[name])
    assert f"restart the server, process {project.ask()['pid']}: " in project.log
    code, out = project.type("handover")
    assert (code, "and loses the requests of the meantime" in out) == (2, True), out
