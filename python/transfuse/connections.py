"""Which connections of a former generation are told to end, and how?

With the setting `drain`, a WebSocket that is still open so many seconds after its generation was
superseded is closed with code 1012 (service restart; RFC 6455 and the registry of IANA), and a
stream is told that its client has gone, which is how frameworks end one. Without it they last.

A `Connection` stands between the server and the application for as long as one lasts, and belongs
to the thread of its event loop.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from transfuse import stages
from transfuse.lifecycle import installed_settings

if TYPE_CHECKING:
    from transfuse.asgi import Application, Message, Receive, Scope, Send

_log = logging.getLogger("transfuse")

SERVICE_RESTART = 1012

# Those that are open, by the event loop they belong to; its thread alone changes a set. Entries
# leave when the connection ends, and a loop with the last of its connections.
_open: dict[asyncio.AbstractEventLoop, set[Connection]] = {}


def ends_connections() -> bool:
    """Whether connections that begin now are to be ended once they are old."""
    settings = installed_settings()
    return settings is not None and settings.drain is not None


class Connection:
    """One request or WebSocket, which can be told to end.

    Args:
        scope, receive, send: what the server gave.
        generation: the number of the generation that it is pinned to.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, generation: int) -> None:
        self.generation = generation
        self._scope = scope
        self._receive_from_server = receive
        self._send_to_server = send
        self._is_websocket = scope["type"] == "websocket"
        self._loop = asyncio.get_running_loop()
        # Done when the application is to hear that it ends.
        self._due: asyncio.Future[None] = self._loop.create_future()
        # The sending of our own close, while and after it runs.
        self._closing: asyncio.Future[None] | None = None
        # A message that the server has been asked for, and that nobody has taken yet.
        self._asked: asyncio.Task[Message] | None = None
        # Whether the response, or the WebSocket, has begun, and whether it is over.
        self._begun = False
        self._over = False
        # Whether the response says how long it is: then it cannot be ended half-way.
        self._measured = False

    async def run(self, application: Application) -> None:
        """Run the application for it."""
        stages.join(_ENDING)
        there = _open.setdefault(self._loop, set())
        there.add(self)
        try:
            await application(self._scope, self._receive, self._send)
            if self._due.done() and self._begun and not (self._over or self._measured):
                # A stream that was told to end does so without saying that this was all.
                await self._send_to_server({"type": "http.response.body", "body": b""})
            if self._closing is not None:
                await asyncio.wait([self._closing])
        finally:
            there.discard(self)
            if not there:
                _open.pop(self._loop, None)
            if self._asked is not None:
                self._asked.cancel()

    async def end(self) -> None:
        """Tell it to end; a response that has not begun is let be."""
        if self._due.done() or self._over:
            return
        if self._is_websocket:
            self._over = True
            if self._asked is not None:
                # Granian writes the close only when nobody reads any more.
                self._asked.cancel()
            reason = "the code has changed; connect again"
            closing = {"type": "websocket.close", "code": SERVICE_RESTART, "reason": reason}
            self._closing = asyncio.ensure_future(self._send_to_server(closing))
            try:
                await self._closing
            except Exception:
                _log.debug("a WebSocket ended before it was closed", exc_info=True)
            finally:
                # Only now: a server closes a WebSocket without a code if its application returns.
                self._due.set_result(None)
        elif self._begun:
            self._due.set_result(None)

    async def _receive(self) -> Message:
        if self._closing is None:
            if self._asked is None:
                self._asked = asyncio.ensure_future(self._receive_from_server())
            asked = self._asked
            either: list[asyncio.Future[Any]] = [asked, self._due]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if asked.done() and self._closing is None:
                self._asked = None
                return asked.result()
        await asyncio.wait([self._due])
        if self._is_websocket:
            return {"type": "websocket.disconnect", "code": SERVICE_RESTART, "reason": ""}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._is_websocket and self._over:
            raise OSError("this WebSocket is closed: the code has changed")
        kind = message["type"]
        if kind == "http.response.start":
            self._begun = True
            headers = message.get("headers", ())
            self._measured = any(bytes(name).lower() == b"content-length" for name, _ in headers)
        elif kind == "http.response.body":
            self._over = not message.get("more_body", False)
        elif kind == "websocket.close":
            self._over = True
        await self._send_to_server(message)


class _Ending:
    """Takes part in updates: sets the clock for what is old once something new is served."""

    rank = 90

    def staged(self, generation: int, *, on_disk: bool) -> None:
        pass

    def abandoned(self, generation: int) -> None:
        pass

    def published(self, generation: int) -> None:
        settings = installed_settings()
        if settings is None or settings.drain is None:
            return
        for loop in list(_open):
            try:
                loop.call_soon_threadsafe(loop.call_later, settings.drain, _end, loop, generation)
            except RuntimeError:
                _open.pop(loop, None)  # The loop is closed.


_ENDING = _Ending()
# What tells connections to end, while it runs: a loop keeps no reference to a task.
_telling: set[asyncio.Task[None]] = set()


def _end(loop: asyncio.AbstractEventLoop, generation: int) -> None:
    old = [each for each in _open.get(loop, ()) if each.generation < generation]
    if old:
        _log.info("%d connections of former generations are told to end", len(old))
    for each in old:
        task = loop.create_task(each.end())
        _telling.add(task)
        task.add_done_callback(_telling.discard)
