"""Each generation has a lifespan of its own, on real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crowd import wait_for

from demo.client import Client
from servers.kinds import KINDS
from servers.process import Server, free_port
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.kinds import Kind

pytestmark = pytest.mark.servers

SERVERS = [
    kind
    for kind in KINDS
    if kind.name
    in ("uvicorn", "Granian, ASGI", "hypercorn", "gunicorn, uvicorn worker", "transfuse serve")
]

# A slow request goes on until there is a file.
APP = """
import asyncio, json, os
VALUE = {value}

def note(text):
    with open("{place}/notes", "a") as notes:
        notes.write(text + "\\n")

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {startup}
        note("startup {value}")
        scope["state"]["value"] = VALUE
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        note("shutdown {value}")
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    if scope["path"] == "/slow":
        note("begun by {value}")
        while not os.path.exists("{place}/go"):
            await asyncio.sleep(0.01)  # between two looks: a file is what the story can make
        note("ended by {value}")
    body = json.dumps([VALUE, scope["state"]["value"]]).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
"""
# Startups that fail, and what the log says of each.
FAILURES = {
    "raise OSError('no base')": "OSError: no base",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "await send({'type': 'lifespan.startup.failed', 'message': 'no queue'}); return": "no queue",
}


class Site:
    """The application in a folder, served."""

    def __init__(self, kind: Kind, place: Path) -> None:
        self.place = place
        (place / "site").mkdir()
        (place / "serve.py").write_text('import transfuse\nasgi = transfuse.asgi("web:asgi")\n')
        (place / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["site"]\n')
        self.save(1)
        self.port = free_port()
        self.server = Server(kind.command(self.port, place), place, self.port)

    def save(self, value: int, startup: str = "pass") -> None:
        beside = self.place / "site" / "web.new"
        beside.write_text(APP.format(value=value, place=self.place, startup=startup))
        beside.replace(self.place / "site" / "web.py")

    def ask(self, path: str = "/") -> object:
        """The edition that answers, and the one whose startup made its state."""
        client = Client(self.port)
        try:
            return client.get(path).content
        finally:
            client.close()

    def notes(self) -> list[str]:
        return (self.place / "notes").read_text().splitlines()


@pytest.fixture(params=SERVERS, ids=[kind.name for kind in SERVERS])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(request.param, tmp_path)
    try:
        site.server.wait_until_ready()
        yield site
    finally:
        site.server.stop()


def test_p9_each_generation_has_its_lifespan_and_a_startup_that_fails_is_refused(
    site: Site,
) -> None:
    assert site.ask() == [1, 1]
    slow = Worker(lambda: site.ask("/slow"))
    wait_for("the slow request", lambda: "begun by 1" in site.notes())
    site.save(2)
    wait_for("edition 2", lambda: site.ask() == [2, 2])

    for number, (startup, said) in enumerate(FAILURES.items()):
        site.save(3 + number, startup)
        wait_for(f"a refusal: {said}", lambda said=said: said in site.server.log)  # type: ignore[misc]
        assert site.ask() == [2, 2]
    # The first one is not shut down while a request of it is at work.
    assert site.notes() == ["startup 1", "begun by 1", "startup 2"]

    (site.place / "go").touch()
    assert slow.result() == [1, 1]
    wait_for("the first shutdown", lambda: "shutdown 1" in site.notes())
    assert site.notes()[3:] == ["ended by 1", "shutdown 1"]

    site.save(6)
    wait_for("edition 6", lambda: site.ask() == [6, 6])
    wait_for("the second shutdown", lambda: "shutdown 2" in site.notes())
