"""Requests are counted once, by generation, and failed ones among them, under each protocol."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.threads import together
from transfuse import _core

if TYPE_CHECKING:
    from conftest import LiveTree


def counts() -> list[tuple[int, int, int, int]]:
    """Of each generation: its number, the requests begun, answered and failed."""
    return [each for each in _core.request_counts() if each[1]]


def starts(*_: Any, **__: Any) -> None:
    """What a server gives an application to answer with."""


# WSGI.

WSGI = """
def app(environ, start_response):
    return PAGES[environ["PATH_INFO"]](environ, start_response)

def whole(environ, start_response):
    start_response("200 OK", [])
    return [b"a", b"b"]

def steps(environ, start_response):
    start_response("200 OK", [])
    yield b"a"
    yield b"b"

def late(environ, start_response):
    yield b""
    start_response("500 Oh", [])
    yield b"b"

def raises(environ, start_response):
    raise LookupError

def raises_late(environ, start_response):
    start_response("200 OK", [])
    yield b"a"
    raise LookupError

def fails_and_raises(environ, start_response):
    start_response("503 No", [])
    yield b"a"
    raise LookupError

class Body:
    def __iter__(self): return iter([b"a"])
    def close(self): raise LookupError

def raises_in_close(environ, start_response):
    start_response("200 OK", [])
    return Body()

def refused(environ, start_response):
    start_response("499 Gone", [])
    return []

def nested(environ, start_response):
    import transfuse
    inner = transfuse.wsgi("web:app")
    return inner(dict(environ, PATH_INFO="/whole"), start_response)

PAGES = {"/" + f.__name__: f for f in (
    whole, steps, late, raises, raises_late, fails_and_raises, raises_in_close, refused, nested)}
"""


def ask_wsgi(application: Any, page: str, start_response: Any = starts) -> None:
    with contextlib.suppress(LookupError):
        body = application({"PATH_INFO": f"/{page}"}, start_response)
        try:
            list(body)
        finally:
            getattr(body, "close", starts)()


@pytest.fixture
def wsgi(tree: LiveTree) -> Any:
    tree.write({"web.py": WSGI})
    tree.install()
    return transfuse.wsgi("web:app")


@pytest.mark.parametrize(
    ("page", "failed"),
    [
        ("whole", 0),
        ("steps", 0),
        ("late", 1),
        ("raises", 1),
        ("raises_late", 1),
        ("fails_and_raises", 1),
        ("raises_in_close", 1),
        ("refused", 0),
        ("nested", 0),
    ],
)
def test_wsgi(wsgi: Any, page: str, failed: int) -> None:
    ask_wsgi(wsgi, page)
    assert counts() == [(1, 1, 1, failed)]


def test_a_request_counts_from_its_beginning_and_is_answered_with_its_status(wsgi: Any) -> None:
    body = iter(wsgi({"PATH_INFO": "/late"}, starts))
    assert counts() == [(1, 1, 0, 0)]
    next(body)
    next(body)
    assert counts() == [(1, 1, 1, 1)]


def test_a_request_counts_for_the_generation_in_which_it_began(wsgi: Any, tree: LiveTree) -> None:
    body = wsgi({"PATH_INFO": "/raises_late"}, starts)
    tree.published({"web.py": WSGI + "\n"})
    ask_wsgi(wsgi, "whole")
    with contextlib.suppress(LookupError):
        list(body)
    assert counts() == [(1, 1, 1, 1), (2, 1, 1, 0)]
    assert transfuse.status().requests == ((1, 1, 1), (2, 1, 0))


def test_the_servers_own_start_response_can_still_be_looked_at(wsgi: Any, tree: LiveTree) -> None:
    tree.published({"web.py": "def app(e, s): s('200 OK', []); return [s.__self__.name]\n"})

    class Handler:
        name = b"mine"

        def start_response(self, *_: Any) -> None: ...

    assert wsgi({"PATH_INFO": "/"}, Handler().start_response) == [b"mine"]


def test_what_start_response_raises_is_raised(wsgi: Any) -> None:
    def refuses(*_: Any) -> None:
        raise ValueError("no such status")

    with pytest.raises(ValueError, match="no such status"):
        wsgi({"PATH_INFO": "/whole"}, refuses)
    assert counts() == [(1, 1, 1, 1)]


def test_many_threads_lose_no_request(wsgi: Any) -> None:
    def work(number: int) -> None:
        for _ in range(200):
            ask_wsgi(wsgi, "raises" if number % 2 else "steps")

    together(8, work)
    assert counts() == [(1, 1600, 1600, 800)]


# ASGI.

ASGI = """
import asyncio
async def app(scope, receive, send):
    await PAGES[scope["path"]](scope, receive, send)

async def ok(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})

async def fails(scope, receive, send):
    await send(message={"type": "http.response.start", "status": 500, "headers": []})

async def raises(scope, receive, send):
    raise LookupError

async def raises_late(scope, receive, send):
    await ok(scope, receive, send)
    raise LookupError

async def fails_and_raises(scope, receive, send):
    await fails(scope, receive, send)
    raise LookupError

async def cancelled(scope, receive, send):
    raise asyncio.CancelledError

async def says_nothing(scope, receive, send):
    pass

async def mounts(scope, receive, send):
    import transfuse
    await transfuse.asgi("web:app")(dict(scope, path="/ok"), receive, send)

async def mounts_and_raises(scope, receive, send):
    import transfuse
    await transfuse.asgi("web:app")(dict(scope, path="/raises"), receive, send)

async def accepts(scope, receive, send):
    await send({"type": "websocket.accept"})
    await receive()

async def closes(scope, receive, send):
    await send({"type": "websocket.close", "code": 4403})

PAGES = {"/" + f.__name__: f for f in (
    ok, fails, raises, raises_late, fails_and_raises, cancelled, says_nothing, mounts,
    mounts_and_raises, accepts, closes)}
"""


def ask_asgi(application: Any, kind: str, page: str) -> None:
    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None: ...

    async def story() -> None:
        with contextlib.suppress(LookupError, asyncio.CancelledError):
            await application({"type": kind, "path": f"/{page}"}, receive, send)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("kind", "page", "failed"),
    [
        ("http", "ok", 0),
        ("http", "fails", 1),
        ("http", "raises", 1),
        ("http", "raises_late", 1),
        ("http", "fails_and_raises", 1),
        ("http", "cancelled", 0),
        ("http", "says_nothing", 0),
        ("http", "mounts", 0),
        ("http", "mounts_and_raises", 1),
        ("websocket", "accepts", 0),
        ("websocket", "closes", 0),
        ("websocket", "raises", 1),
    ],
)
def test_asgi(tree: LiveTree, kind: str, page: str, failed: int) -> None:
    tree.write({"web.py": ASGI})
    tree.install()
    ask_asgi(transfuse.asgi("web:app"), kind, page)
    assert counts() == [(1, 1, 1, failed)]


def test_a_websocket_is_answered_when_it_is_accepted_and_may_fail_later(tree: LiveTree) -> None:
    tree.write({"web.py": ASGI})
    tree.install()
    application = transfuse.asgi("web:app")
    seen = []

    async def receive() -> dict[str, Any]:
        seen.extend(counts())
        raise LookupError

    async def send(message: Any) -> None: ...

    async def story() -> None:
        with contextlib.suppress(LookupError):
            await application({"type": "websocket", "path": "/accepts"}, receive, send)

    asyncio.run(story())
    assert (seen, counts()) == ([(1, 1, 1, 0)], [(1, 1, 1, 1)])


def test_a_site_of_the_publisher_counts(tree: LiveTree) -> None:
    tree.write({"index.py": "def index(): return 'a'\ndef broken(): raise LookupError\n"})
    tree.install()
    site: Any = transfuse.publisher(tree.root)
    asked: dict[str, Any] = {"method": "GET", "headers": [], "query_string": b""}
    for page in ("", "broken"):
        ask_asgi(lambda scope, *rest: site({**scope, **asked}, *rest), "http", page)
        ask_wsgi(lambda environ, start: site({**environ, "REQUEST_METHOD": "GET"}, start), page)
    assert counts() == [(1, 4, 4, 2)]


# RSGI.

RSGI = """
async def app(scope, protocol):
    await PAGES[scope.path](scope, protocol)

async def ok(scope, protocol):
    assert await protocol() == b"body"
    assert [part async for part in protocol] == [b"bo", b"dy"]
    assert protocol.response_str(200, [], "a") == "sent"

async def fails(scope, protocol):
    protocol.response_empty(status=500, headers=[])

async def streams(scope, protocol):
    protocol.response_stream(200, [])
    raise LookupError

async def raises(scope, protocol):
    raise LookupError

async def accepts(scope, protocol):
    await protocol.accept()

PAGES = {"/" + f.__name__: f for f in (ok, fails, streams, raises, accepts)}
"""


class Protocol:
    """Granian's, as far as it is used."""

    async def __call__(self) -> bytes:
        return b"body"

    async def __aiter__(self) -> Any:
        yield b"bo"
        yield b"dy"

    async def accept(self) -> None: ...

    def response_str(self, status: int, headers: Any, body: str) -> str:  # noqa: ARG002
        return "sent"

    def response_empty(self, status: int, headers: Any) -> None: ...
    def response_stream(self, status: int, headers: Any) -> None: ...


@pytest.mark.parametrize(
    ("page", "failed"), [("ok", 0), ("fails", 1), ("streams", 1), ("raises", 1), ("accepts", 0)]
)
def test_rsgi(tree: LiveTree, page: str, failed: int) -> None:
    tree.write({"web.py": RSGI})
    tree.install()
    application: Any = transfuse.rsgi("web:app")
    proto = "ws" if page == "accepts" else "http"
    scope = SimpleNamespace(proto=proto, method="GET", path=f"/{page}")

    async def story() -> None:
        with contextlib.suppress(LookupError):
            await application.__rsgi__(scope, Protocol())

    asyncio.run(story())
    assert counts() == [(1, 1, 1, failed)]


def test_units_of_work_that_are_no_requests_do_not_count(tree: LiveTree) -> None:
    tree.write({"web.py": "X = 1\n"})
    tree.install()
    with transfuse.pin():
        tree.module("web")
    assert counts() == []
