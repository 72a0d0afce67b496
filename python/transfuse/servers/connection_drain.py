"""Ends the long connections of former generations.

With the setting `drain`, a WebSocket that is still open so many seconds after its generation was
superseded is closed with code 1012 (service restart; RFC 6455 and the registry of IANA), and a
stream is told that its client has gone, which is how frameworks end one. Without it they last.

A WebSocket that is accepted later is closed when it is accepted, as a close before that would be a
refusal. A stream that begins later is told shortly after it has begun, as an answer that is not a
stream is complete by then.

A `Connection` stands between the server and the application for as long as it lasts, and belongs
to the thread of its event loop.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from transfuse.config.logs import get_logger
from transfuse.process.install import installed_settings
from transfuse.updates import participants

if TYPE_CHECKING:
    from transfuse.servers.asgi_types import Application, Message, Receive, Scope, Send

_log = get_logger("transfuse")

SERVICE_RESTART = 1012
# How long after its beginning a late response is told to end, in seconds.
_LATE = 1.0

# Open connections by their event loop, whose thread alone changes its set. Entries leave when the
# connection ends, and a loop with the last of its connections.
_open: dict[asyncio.AbstractEventLoop, set[Connection]] = {}


def register() -> None:
    """Take part in updates from now on, so that the first connection is not too late for one."""
    participants.register(_ENDING, midway=True)


def ends_connections() -> bool:
    """Whether connections that begin now, in this event loop, are to be ended once they are old."""
    settings = installed_settings()
    if settings is None or settings.drain is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _tell_that_they_last()
        return False
    return True


@functools.cache
def _tell_that_they_last() -> None:
    _log.warning(
        "the setting drain needs an event loop of asyncio's; in this server's, connections that are"
        " left on old code last"
    )


class Connection:
    """One request or WebSocket, which can be told to end.

    Args:
        scope, receive, send: the server's.
        generation: the number of the generation that it is pinned to.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, generation: int) -> None:
        self.generation = generation
        self._scope = scope
        self._receive_from_server = receive
        self._send_to_server = send
        self._is_websocket = scope["type"] == "websocket"
        self._loop = asyncio.get_running_loop()
        # Done when the application is to be told that it ends.
        self._due: asyncio.Future[None] = self._loop.create_future()
        # The sending of our own close, while and after it runs.
        self._closing: asyncio.Future[None] | None = None
        # The pending receive from the server, whose message the application has not taken yet.
        self._asked: asyncio.Task[Message] | None = None
        # Whether the response has begun, or the WebSocket was accepted; and whether it is over.
        self._begun = False
        self._over = False
        # Whether it was to end before it had begun.
        self._late = False
        # Whether the response says how long it is: then it cannot be ended half-way.
        self._measured = False

    async def run(self, application: Application) -> None:
        """Run the application for it."""
        register()
        there = _open.setdefault(self._loop, set())
        there.add(self)
        try:
            await application(self._scope, self._receive, self._send)
            if self._due.done() and self._begun and not (self._over or self._measured):
                # A stream that was told to end returns without its last message.
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
        """Tell it to end, now or, if it has not begun, when it has."""
        if self._due.done() or self._over:
            return
        if not self._begun:
            self._late = True
            return
        if self._is_websocket:
            self._over = True
            if self._asked is not None:
                # Granian writes the close only when no receive is pending.
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
        else:
            self._due.set_result(None)

    async def _receive(self) -> Message:
        while self._closing is None:
            if self._asked is None:
                self._asked = asyncio.ensure_future(self._receive_from_server())
            asked = self._asked
            either: list[asyncio.Future[Any]] = [asked, self._due]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            # Of several concurrent receives one gets the message, the others go on.
            if asked is self._asked and asked.done() and self._closing is None:
                self._asked = None
                return asked.result()
            if self._due.done():
                break
        await asyncio.wait([self._due])
        if self._is_websocket:
            return {"type": "websocket.disconnect", "code": SERVICE_RESTART, "reason": ""}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._is_websocket and self._over:
            raise OSError("this WebSocket is closed: the code has changed")
        kind = message["type"]
        begins = kind in ("http.response.start", "websocket.accept")
        if kind == "http.response.start":
            headers = message.get("headers", ())
            self._measured = any(bytes(name).lower() == b"content-length" for name, _ in headers)
        elif kind == "http.response.body":
            self._over = not message.get("more_body", False)
        elif kind in ("websocket.close", "http.response.pathsend"):
            self._over = True
        if begins and not self._is_websocket:
            self._begun = True
        await self._send_to_server(message)
        if begins:
            # A WebSocket only now: a server that is still accepting takes a close for a refusal.
            self._begun = True
            if self._late:
                self._end_late()

    def _end_late(self) -> None:
        if self._is_websocket:
            _tell(self)
        elif not self._measured:
            self._loop.call_later(_LATE, _tell, self)


class _Ending(participants.Participant):
    """Takes part in updates: starts the clock for older connections when one is published."""

    order = 90

    def published(self, generation: int) -> None:
        settings = installed_settings()
        if settings is None or settings.drain is None:
            return
        for loop in list(_open):
            try:
                loop.call_soon_threadsafe(loop.call_later, settings.drain, _end, loop, generation)
            except RuntimeError:
                _open.pop(loop, None)  # The loop is closed.


def end_all_after(seconds: float) -> None:
    """Have all connections told to end after so many seconds: other processes serve by now."""
    for loop in list(_open):
        try:
            loop.call_soon_threadsafe(loop.call_later, seconds, _end, loop, None)
        except RuntimeError:
            _open.pop(loop, None)  # The loop is closed.


_ENDING = _Ending()
# Running tasks that end connections: a loop keeps only weak references to its tasks.
_telling: set[asyncio.Task[None]] = set()


def _end(loop: asyncio.AbstractEventLoop, generation: int | None) -> None:
    """Tell connections of generations before this one to end; None: all of them."""
    there = _open.get(loop, ())
    old = [each for each in there if generation is None or each.generation < generation]
    if old:
        _log.info("%d connections of former generations are told to end", len(old))
    for each in old:
        _tell(each)


def _tell(connection: Connection) -> None:
    task = asyncio.ensure_future(connection.end())
    _telling.add(task)
    task.add_done_callback(_telling.discard)
