"""WebSockets and server-sent events on real servers, over an update and its drain limit."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from servers.kinds import KINDS
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.kinds import Kind

pytestmark = pytest.mark.servers

CAP = 20.0
SERVERS = [
    kind
    for kind in KINDS
    if kind.name in ("uvicorn", "Granian, ASGI", "hypercorn", "gunicorn, uvicorn worker")
]

APP = """
import asyncio
VALUE = {0}

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
    elif scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        while (message := await receive())["type"] == "websocket.receive":
            await send({{"type": "websocket.send", "text": message["text"] + " {0}"}})
    elif scope["path"] == "/events":
        headers = [(b"content-type", b"text/event-stream")]
        await send({{"type": "http.response.start", "status": 200, "headers": headers}})
        gone = asyncio.ensure_future(disconnected(receive))
        while not gone.done():
            event = b"data: {0}\\n\\n"
            await send({{"type": "http.response.body", "body": event, "more_body": True}})
            await asyncio.sleep(0.01)
    else:
        body = b'{{"VALUE": {0}}}'
        headers = [(b"content-length", b"%d" % len(body))]
        await send({{"type": "http.response.start", "status": 200, "headers": headers}})
        await send({{"type": "http.response.body", "body": body}})

async def disconnected(receive):
    while (await receive())["type"] != "http.disconnect":
        pass
"""


class Site:
    """The application in a folder, served."""

    def __init__(self, kind: Kind, place: Path, settings: str) -> None:
        self.place = place
        (place / "site").mkdir()
        (place / "serve.py").write_text('import transfuse\nasgi = transfuse.asgi("web:asgi")\n')
        (place / "pyproject.toml").write_text(f'[tool.transfuse]\nroots = ["site"]\n{settings}')
        self.save(1)
        self.port = free_port()
        self.server = Server(kind.command(self.port, place), place, self.port)

    def save(self, value: int) -> None:
        beside = self.place / "site" / "web.new"
        beside.write_text(APP.format(value))
        beside.replace(self.place / "site" / "web.py")

    def serves(self, value: int) -> None:
        """Save, and wait until that is served."""
        self.save(value)
        found = None
        for _ in range(2000):
            found = self.get("/").read()
            if found == b'{"VALUE": %d}' % value:
                return
        raise AssertionError(f"{found!r} after {value} was saved:\n{self.server.log}")

    def get(self, path: str) -> http.client.HTTPResponse:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        line.request("GET", path, headers={"Connection": "close"})
        return line.getresponse()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    started: list[Site] = []

    def start(kind: Kind, settings: str = "") -> Site:
        site = Site(kind, tmp_path, settings)
        started.append(site)
        site.server.wait_until_ready()
        return site

    yield start
    for site in started:
        site.server.stop()


@pytest.mark.parametrize("kind", SERVERS, ids=[kind.name for kind in SERVERS])
def test_a_websocket_goes_on_with_the_code_that_it_began_with(
    serve: Callable[..., Site], kind: Kind
) -> None:
    site = serve(kind)
    with connect(f"ws://127.0.0.1:{site.port}/", open_timeout=CAP) as old:
        old.send("hello")
        assert old.recv(CAP) == "hello 1"
        site.serves(2)
        old.send("still")
        assert old.recv(CAP) == "still 1"
        with connect(f"ws://127.0.0.1:{site.port}/", open_timeout=CAP) as new:
            new.send("hello")
            assert new.recv(CAP) == "hello 2"


@pytest.mark.parametrize("kind", SERVERS, ids=[kind.name for kind in SERVERS])
def test_after_the_drain_limit_a_websocket_is_closed_with_1012(
    serve: Callable[..., Site], kind: Kind
) -> None:
    site = serve(kind, "drain = 0.2\n")
    with connect(f"ws://127.0.0.1:{site.port}/", open_timeout=CAP) as old:
        old.send("hello")
        assert old.recv(CAP) == "hello 1"
        site.serves(2)
        with pytest.raises(ConnectionClosedError) as closed:
            old.recv(CAP)
    received = closed.value.rcvd
    assert received is not None
    assert received.code == 1012, received


@pytest.mark.parametrize("kind", SERVERS, ids=[kind.name for kind in SERVERS])
def test_after_the_drain_limit_a_stream_of_events_comes_to_a_proper_end(
    serve: Callable[..., Site], kind: Kind
) -> None:
    site = serve(kind, "drain = 0.2\n")
    stream = site.get("/events")
    assert stream.readline() == b"data: 1\n"
    site.serves(2)
    # Read to the end; http.client raises if the server breaks off.
    rest = stream.read()
    assert set(rest.split()) <= {b"data:", b"1"}
    assert site.get("/events").readline() == b"data: 2\n"
