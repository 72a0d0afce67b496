"""How does a WSGI server ask, and how is it answered?"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from transfuse.publishing.body_limits import stated_length, too_long
from transfuse.publishing.executor import Inline, drive
from transfuse.publishing.http_errors import bad_request
from transfuse.publishing.request import Request
from transfuse.publishing.responses import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from transfuse.publishing.service import Service

_CHUNK = 65536


def serve(
    service: Service, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer one request, in the thread that asks."""
    running = Inline()
    stream: _Body | None = None
    try:

        async def body() -> bytes:
            return _body(environ, service.body_limit)

        answer = drive(service.respond(_request(environ), running, body))
        if isinstance(answer.body, Stream):
            stream = _Body(answer.body, running)
        start_response(_status(answer.status), answer.headers)
    except BaseException:
        # The server closes only a body that it was given.
        (running.end if stream is None else stream.close)()
        raise
    if stream is not None:
        return stream
    running.end()
    return [answer.body] if isinstance(answer.body, bytes) and answer.body else []


class _Body:
    """A stream, piece by piece. The server closes it, whether or not it has taken all."""

    def __init__(self, stream: Stream, running: Inline) -> None:
        self._stream = stream
        self._running = running

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = drive(self._stream.step())
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Close the stream, and the loop it may have run in."""
        try:
            drive(self._stream.close())
        finally:
            self._running.end()


def _request(environ: WSGIEnvironment) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        # CGI names these two without HTTP_ (PEP 3333); with it, they did not come from the server.
        if name.startswith("HTTP_") and name not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    path = environ.get("PATH_INFO", "")
    return Request(
        method=environ["REQUEST_METHOD"],
        # Bytes decoded as Latin-1 (PEP 3333). A path that is not UTF-8 leads to no page.
        path=path.encode("latin-1").decode("utf-8", "replace"),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        raw=environ,
    )


def _body(environ: WSGIEnvironment, limit: int) -> bytes:
    stated = stated_length(environ.get("CONTENT_LENGTH") or "", limit)
    if stated is None and not environ.get("wsgi.input_terminated") and not _is_chunked(environ):
        return b""
    wanted = limit + 1 if stated is None else stated
    pieces: list[bytes] = []
    source: Any = environ["wsgi.input"]
    while wanted and (piece := source.read(min(wanted, _CHUNK))):
        pieces.append(piece)
        wanted -= len(piece)
    body = b"".join(pieces)
    if len(body) > limit:
        raise too_long(limit)
    if stated is not None and wanted:
        raise bad_request("the body is shorter than its Content-Length")
    return body


def _is_chunked(environ: WSGIEnvironment) -> bool:
    return "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower()


def _status(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"{int(status)} {phrase}"
