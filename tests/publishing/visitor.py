"""Requests to a publisher as a server makes them, by WSGI and by ASGI."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import Any
from wsgiref.validate import validator

from conftest import CAP


@dataclass(frozen=True)
class Reply:
    """A response of the server.

    Attributes:
        status: such as 200.
        headers: by their names in lower case.
        body: all of it.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def kind(self) -> str:
        return self.headers["content-type"]


def ask_wsgi(
    application: Any,
    path: str,
    query: str = "",
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    mounted: str = "",
) -> Reply:
    """Ask as a WSGI server does, one that is strict about the protocol."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": mounted,
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    said: list[Any] = []

    def start_response(status: str, pairs: list[tuple[str, str]], _error: Any = None) -> Any:
        said[:] = [int(status[:3]), {name.lower(): value for name, value in pairs}]
        return lambda _: None

    # The validator wants paths and answers of a kind that refusals need not be of.
    strict = path.startswith("/") and method == "GET" and not body
    answer = (validator(application) if strict else application)(environ, start_response)
    try:
        sent = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return Reply(said[0], said[1], sent)


def ask_asgi(
    application: Any,
    path: str,
    query: str = "",
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    mounted: str = "",
) -> Reply:
    """Ask as an ASGI server does, in a loop of its own."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": mounted + path,
        "root_path": mounted,
        "query_string": query.encode("latin-1"),
        "headers": pairs,
    }
    sent: list[dict[str, Any]] = []

    async def talk() -> None:
        # In two pieces, as a body comes.
        pieces = [body[: len(body) // 2], body[len(body) // 2 :]]
        coming = [
            {"type": "http.request", "body": piece, "more_body": number == 0}
            for number, piece in enumerate(pieces)
        ]

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop(0)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await asyncio.wait_for(application(scope, receive, send), CAP)

    asyncio.run(talk())
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert not rest[-1].get("more_body", False)
    found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], found, b"".join(each["body"] for each in rest))
