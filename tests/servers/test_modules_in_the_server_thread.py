"""P5: a module with `__thread__ = "main"` runs in an update where a server's requests are."""

from __future__ import annotations

import os
import signal
import textwrap
from typing import TYPE_CHECKING

import pytest

from support.serving import ASGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

# Only the thread that has opened the connection may use it.
DB = textwrap.dedent("""
    __thread__ = "main"
    import os, sqlite3, threading
    VALUE = {}
    connection = sqlite3.connect(os.path.join(os.path.dirname(__file__), "..", "shop.db"))
    connection.execute("pragma user_version").fetchone()
    local = threading.local()
    local.value = VALUE
    def read():
        return connection.execute("select ?", (local.value,)).fetchone()[0]
    """)
HANDLER = textwrap.dedent("""
    __thread__ = "main"
    import signal, db
    handled = []
    def handler(number, frame):
        handled.append(db.VALUE)
    signal.signal(signal.SIGUSR2, handler)
    """)
PLAIN = "handled = []\n"
WEB = ASGI + (
    "import db, threading, handlers\n"
    "def shown(): return {'val': db.read(), 'handled': handlers.handled}\n"
)
SERVERS = {
    "uvicorn": ("uvicorn", "--log-level", "warning", "--port"),
    "transfuse serve": ("transfuse", "serve", "--handover", "never", "--port"),
}


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    (project.folder / "serve.py").write_text(
        "import transfuse\ntransfuse.install()\napplication = transfuse.asgi('web:app')\n"
    )
    yield project
    project.end()


def begin(project: Project, server: str) -> None:
    target = "serve:application" if server == "uvicorn" else "web:app"
    project.serve_by(*SERVERS[server], str(project.port), target)


@pytest.mark.parametrize("server", SERVERS)
def test_p5_what_belongs_to_one_thread_serves_after_an_update(
    project: Project, server: str
) -> None:
    project.save({"db.py": DB.format(1), "handlers.py": PLAIN, "web.py": WEB})
    begin(project, server)
    for value in (2, 3):
        project.save({"db.py": DB.format(value)})
        project.until_answered(val=value)
    project.save({"db.py": DB.format(4) + "1 / 0\n"})
    project.until_logged("ZeroDivisionError")
    assert project.ask()["val"] == 3


def test_p4_a_signal_handler_is_that_of_the_code_that_is_served(project: Project) -> None:
    project.save({"db.py": DB.format(1), "handlers.py": HANDLER, "web.py": WEB})
    begin(project, "uvicorn")
    pid = project.ask()["pid"]
    project.save({"db.py": DB.format(2)})
    project.until_answered(val=2)
    os.kill(pid, signal.SIGUSR2)
    project.until_answered(handled=[2])
    project.save({"handlers.py": HANDLER + "1 / 0\n"})
    project.until_logged("ZeroDivisionError")
    os.kill(pid, signal.SIGUSR2)
    project.until_answered(handled=[2, 2])
