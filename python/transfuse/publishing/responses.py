"""Makes a response from the result of a function.

| returned | sent |
|---|---|
| `None` | nothing, 200 |
| `str` | text; HTML if it begins with ``<``, ends in ``</html>`` and no ``<`` is a visitor's |
| template string | HTML, with everything that was put into it escaped |
| `bytes` and the like | bytes |
| `dict`, dataclass | JSON |
| `int`, `float`, `Decimal` | its text |
| iterable, asynchronous or not, of `str` and bytes | a stream; HTML if it begins as a page does |
| `Response` | its body by these rules, with its status and headers |
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from transfuse.publishing.contain_exit import contained
from transfuse.publishing.json_encoding import is_record, plain
from transfuse.publishing.stream_steps import END
from transfuse.publishing.templates import render, template_type

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from transfuse.publishing.executor import Running
    from transfuse.publishing.stream_steps import Steps

_TEXT, _HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
_BYTES, _JSON = "application/octet-stream", "application/json"
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
# Characters that would end a header, or all of them.
_ENDING = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TEMPLATE = template_type()


class Response:
    """An answer with a status and headers of its own.

    Args:
        body: any value that a function may return.
        status: from 200 to 599.
        headers: names and values, as a mapping, or as pairs where a name is repeated.
        content_type: instead of the one for `body`.

    Raises:
        ValueError: a status that is none, or a header that cannot be sent.
    """

    def __init__(
        self,
        body: Any = None,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content_type: str | None = None,
    ) -> None:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if content_type is not None:
            pairs.append(("Content-Type", content_type))
        _insist_on_sendable(status, pairs)
        self.body = body
        self.status = int(status)
        self.headers = pairs


def _insist_on_sendable(status: int, headers: Iterable[tuple[str, str]]) -> None:
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is no status that an answer can have")
    for name, value in headers:
        if not _NAME.fullmatch(name) or _ENDING.search(value):
            raise ValueError(f"{name!r}: {value!r} is no header")
        value.encode("latin-1")


@dataclass
class Answer:
    """The response, as the server gets it.

    Attributes:
        status: such as 200.
        headers: in order, with their lengths where those are known.
        body: all of it, or a stream.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes | Stream


class Stream:
    """A body that comes in pieces, the first of which is there already."""

    def __init__(self, first: Any, steps: Steps) -> None:
        # The piece that was taken in advance; END when there is none left to take.
        self._first = first
        self._steps = steps
        self._ended = first is END

    async def step(self) -> bytes | None:
        """Return the next piece, or None at the end.

        Raises:
            TypeError: it is neither text nor bytes.
            Strayed: the page raised an exception that would end more than the request.
        """
        piece, self._first = self._first, END
        if piece is END:
            piece = END if self._ended else await self._steps.take()
        if piece is END:
            self._ended = True
            return None
        # This may run code of the page, too: a `__html__`.
        encoded: bytes = contained(_encoded, piece)
        return encoded

    async def close(self) -> None:
        """Let go of the iterator."""
        await self._steps.close()


def complete(status: int, content_type: str, body: bytes) -> Answer:
    """Return an answer that is all there."""
    return Answer(status, [("Content-Type", content_type), *_length(body)], body)


async def answer_to(
    returned: Any, running: Running, echoes: Callable[[str], Awaitable[bool]]
) -> Answer:
    """Return the answer for a function's result.

    The first piece of a stream is taken, so that an exception before it becomes an error page.

    Args:
        returned: the result.
        running: takes the steps of streams.
        echoes: tells whether a text has markup in it that the visitor has sent.

    Raises:
        TypeError: the result is nothing that can be sent.
    """
    response = returned if isinstance(returned, Response) else Response(returned)
    if isinstance(response.body, Response):
        raise TypeError("the body of a Response is a Response")
    # It may have been changed since it was made.
    _insist_on_sendable(response.status, response.headers)
    kind, body = await _content(response.body, running, echoes)
    # The content length is computed below, or left to the server.
    headers = [(str(name), str(value)) for name, value in response.headers]
    headers = [pair for pair in headers if pair[0].lower() != "content-length"]
    if response.status in _BODILESS:
        if isinstance(body, Stream):
            await body.close()
        return Answer(int(response.status), headers, b"")
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    if isinstance(body, bytes):
        headers += _length(body)
    return Answer(int(response.status), headers, body)


async def _content(
    returned: Any, running: Running, echoes: Callable[[str], Awaitable[bool]]
) -> tuple[str, bytes | Stream]:
    if isinstance(returned, (list, tuple)):
        pieces = [_encoded(piece) for piece in returned]
        kind = await _kind_of_stream(returned[0] if returned else END, echoes)
        return kind, b"".join(pieces)
    if (whole := await _whole(returned, echoes)) is not None:
        return whole
    if isinstance(returned, (Iterable, AsyncIterable)):
        return await _stream(returned, running, echoes)
    raise TypeError(f"a function returned {returned!r}, which is nothing that can be sent")


async def _whole(
    returned: Any, echoes: Callable[[str], Awaitable[bool]]
) -> tuple[str, bytes] | None:
    if returned is None:
        return _TEXT, b""
    if isinstance(returned, (int, float, Decimal)):
        returned = str(returned)
    if isinstance(returned, str):
        return await _kind_of_text(returned, echoes), returned.encode()
    if isinstance(returned, (bytes, bytearray, memoryview)):
        return _BYTES, bytes(returned)
    if isinstance(returned, Mapping) or is_record(returned):
        text = json.dumps(plain(returned), ensure_ascii=False, allow_nan=False)
        return _JSON, text.encode()
    if _is_template(returned):
        return _HTML, render(returned).encode()
    return None


async def _stream(
    returned: Any, running: Running, echoes: Callable[[str], Awaitable[bool]]
) -> tuple[str, Stream]:
    steps = running.steps(returned)
    try:
        first = await steps.take()
        if first is not END:
            _encoded(first)
        kind = await _kind_of_stream(first, echoes)
    except BaseException:
        await steps.close()
        raise
    return kind, Stream(first, steps)


async def _kind_of_text(text: str, echoes: Callable[[str], Awaitable[bool]]) -> str:
    # The end alone is not enough: it may be a value of the visitor in a greeting.
    # Nor are both: all of it may be what a visitor has sent.
    ends = text.rstrip()[-7:].lower() == "</html>"
    begins = text.lstrip().startswith("<")
    return _HTML if ends and begins and not await echoes(text) else _TEXT


async def _kind_of_stream(first: Any, echoes: Callable[[str], Awaitable[bool]]) -> str:
    if _is_template(first):
        return _HTML
    if not isinstance(first, str):
        return _TEXT if first is END else _BYTES
    begins = first.lstrip()[:14].lower().startswith(("<!doctype html", "<html"))
    return _HTML if begins and not await echoes(first) else _TEXT


def _is_template(value: Any) -> bool:
    return _TEMPLATE is not None and isinstance(value, _TEMPLATE)


def _encoded(piece: Any) -> bytes:
    if _is_template(piece):
        piece = render(piece)
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"a stream is made of str and bytes, and has {piece!r}")


def _length(body: bytes) -> list[tuple[str, str]]:
    return [("Content-Length", str(len(body)))]
