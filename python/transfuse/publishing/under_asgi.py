"""How does an ASGI server ask, and how is it answered?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from transfuse.publishing.body_limits import stated_length, too_long
from transfuse.publishing.executor import Threads
from transfuse.publishing.http_errors import VisitorGone
from transfuse.publishing.request import Request
from transfuse.publishing.responses import Stream

if TYPE_CHECKING:
    from transfuse.publishing.responses import Answer
    from transfuse.publishing.service import Service
    from transfuse.servers.asgi_types import Receive, Scope, Send


async def serve(service: Service, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request, in the loop that asks; refuse a websocket."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
        return

    async def body() -> bytes:
        # A body whose stated length is too long is not read at all.
        stated_length(request.headers.get("content-length", ""), service.body_limit)
        return await _body(receive, service.body_limit)

    request = _request(scope)
    try:
        answer = await service.respond(request, Threads(), body)
    except VisitorGone:
        return
    await _send(answer, receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer the server at its start and its end: pages have no lifespan."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        between = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    path, mounted = scope["path"], scope.get("root_path", "").rstrip("/")
    if mounted and f"{path}/".startswith(f"{mounted}/"):
        path = path[len(mounted) :]
    return Request(
        method=scope["method"],
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        raw=scope,
    )


async def _body(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise VisitorGone
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        if length > limit:
            raise too_long(limit)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def _send(answer: Answer, receive: Receive, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
    ]
    start = {"type": "http.response.start", "status": int(answer.status), "headers": headers}
    if not isinstance(answer.body, Stream):
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})
        return
    sending = asyncio.ensure_future(_stream(answer.body, start, send))
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    await _until_both_have_ended(sending, gone)


async def _until_both_have_ended(*tasks: asyncio.Task[None]) -> None:
    """Wait until one task has ended, or the request is cancelled, and end the rest.

    An endless stream must end when its client goes. Until it has ended, the request lasts, and
    with it the pin, however often it is cancelled: some servers cancel again and again.

    Raises:
        CancelledError: the request is cancelled.
        BaseException: a task has raised it; the first one's comes first.
    """
    cancelled: asyncio.CancelledError | None = None
    awaited = asyncio.FIRST_COMPLETED
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks, return_when=awaited)
        except asyncio.CancelledError as error:
            cancelled = error
        if awaited is not asyncio.ALL_COMPLETED:
            awaited = asyncio.ALL_COMPLETED
            for task in tasks:
                task.cancel()
    # All of them are asked, or those that were not would be logged as never asked.
    raised = [None if task.cancelled() else task.exception() for task in tasks]
    for first in (cancelled, *raised):
        if first is not None:
            raise first


async def _stream(stream: Stream, start: dict[str, object], send: Send) -> None:
    try:
        await send(start)
        while (piece := await stream.step()) is not None:
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await stream.close()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
