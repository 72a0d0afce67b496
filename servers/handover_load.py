"""A load of all kinds of connections, which counts each request that is not answered.

New connections, connections that are kept alive and idle for a while between two requests, and
one request that lasts for seconds and is always open. A client here sends again on a connection
unless the last answer said ``Connection: close``, and does not look first whether the server has
closed it, which it could do while the request is on its way. Each request is sent once.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The longest that one answer may take, in seconds.
PATIENCE = 30.0
# How many losses are kept as text.
_TOLD = 10


@dataclass(frozen=True)
class Exchange:
    """A request, and what came of it. Times are of `time.monotonic`.

    Attributes:
        kind: ``"new"``, ``"idle"`` or ``"slow"``.
        port: the client's end of the connection; 0 if it could not be opened.
        opened: when the connection was.
        sent: when the request was sent.
        received: when the answer was there, or was given up.
        is_last: whether the answer ended the connection.
        body: the answer; empty if it was lost.
        lost: why it was; empty if it was answered.
    """

    kind: str
    port: int
    opened: float
    sent: float
    received: float
    is_last: bool = False
    body: str = ""
    lost: str = ""


@dataclass
class Count:
    """What became of the requests.

    Attributes:
        answered: how many were answered, by kind: ``"new"``, ``"idle"``, ``"slow"``.
        lost: how many were not, by kind.
        why: the first of them, in words.
        bodies: the answers, in order of their arrival.
    """

    answered: collections.Counter[str] = field(default_factory=collections.Counter)
    lost: collections.Counter[str] = field(default_factory=collections.Counter)
    why: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)


class Load:
    """A load in a thread of its own.

    Args:
        port: of the server, on loopback.
        rate: requests a second, one half on new connections and one half on idle ones.
        idle: the number of connections that are kept alive.
        slow: the path of the request that lasts.
        heard: called with each exchange, in the thread of the load.
    """

    def __init__(
        self,
        port: int,
        *,
        rate: float = 200.0,
        idle: int = 50,
        slow: str = "/slow",
        heard: Callable[[Exchange], object] = lambda _: None,
    ) -> None:
        self.count = Count()
        self._heard = heard
        self._port, self._rate, self._idle, self._slow = port, rate, idle, slow
        self._ending = False
        self._begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        assert self._begun.wait(PATIENCE), self.count
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), self.count

    async def _run(self) -> None:
        one_by_one = [self._keep_alive() for _ in range(self._idle)]
        await asyncio.gather(self._new(), self._slow_ones(), *one_by_one)

    async def _new(self) -> None:
        """Open a connection for each request, at a steady rate."""
        running: set[asyncio.Task[None]] = set()
        while not self._ending:
            task = asyncio.create_task(self._on_a_new_one("new", "/"))
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(2 / self._rate)
        await asyncio.gather(*running)

    async def _slow_ones(self) -> None:
        while not self._ending:
            await self._on_a_new_one("slow", self._slow)
            await asyncio.sleep(0.01)  # where nothing listens

    async def _on_a_new_one(self, kind: str, path: str) -> None:
        connection = await self._open(kind)
        if connection is not None:
            await self._ask(kind, path, connection)
            await _close(connection.writer)

    async def _keep_alive(self) -> None:
        """Ask on one connection again and again, with pauses of all lengths."""
        pause = 2 * self._idle / self._rate
        connection = None
        while not self._ending:
            await asyncio.sleep(random.uniform(0, 2 * pause))
            connection = connection or await self._open("idle")
            if connection is not None and not await self._ask("idle", "/", connection):
                await _close(connection.writer)
                connection = None
        if connection is not None:
            await _close(connection.writer)

    async def _open(self, kind: str) -> _Connection | None:
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            self._lose(Exchange(kind, 0, began, began, time.monotonic(), lost=_words(error)))
            return None
        port: int = writer.get_extra_info("sockname")[1]
        return _Connection(reader, writer, port, began)

    async def _ask(self, kind: str, path: str, connection: _Connection) -> bool:
        """Send a request; return whether the connection is still good."""
        sent = time.monotonic()
        of = (kind, connection.port, connection.opened, sent)
        try:
            connection.writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head, body = await asyncio.wait_for(_answer(connection.reader), PATIENCE)
            if not head.startswith("http/1.1 200"):
                raise ValueError(head)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            self._lose(Exchange(*of, time.monotonic(), lost=_words(error)))
            return False
        is_last = "connection: close" in head
        self.count.answered[kind] += 1
        self.count.bodies.append(body)
        self._heard(Exchange(*of, time.monotonic(), is_last, body))
        self._begun.set()
        return not is_last

    def _lose(self, exchange: Exchange) -> None:
        self.count.lost[exchange.kind] += 1
        if len(self.count.why) < _TOLD:
            self.count.why.append(f"{exchange.kind}: {exchange.lost}")
        self._heard(exchange)


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    port: int
    opened: float


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


async def _answer(reader: asyncio.StreamReader) -> tuple[str, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    lines = head.split("\r\n")
    lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    if lengths:
        return head, (await reader.readexactly(int(lengths[0]))).decode()
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip() or b"0", 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return head, body.decode()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
