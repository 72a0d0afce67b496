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
from dataclasses import dataclass, field

# The longest that one answer may take, in seconds.
PATIENCE = 30.0
# How many losses are kept as text.
_TOLD = 10


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
    """

    def __init__(
        self, port: int, *, rate: float = 200.0, idle: int = 50, slow: str = "/slow"
    ) -> None:
        self.count = Count()
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
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            self._lose(kind, error)
            return
        await self._ask(kind, path, reader, writer)
        await _close(writer)

    async def _keep_alive(self) -> None:
        """Ask on one connection again and again, with pauses of all lengths."""
        pause = 2 * self._idle / self._rate
        connection = None
        while not self._ending:
            await asyncio.sleep(random.uniform(0, 2 * pause))
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                self._lose("idle", error)
                continue
            if not await self._ask("idle", "/", *connection):
                await _close(connection[1])
                connection = None
        if connection is not None:
            await _close(connection[1])

    async def _ask(
        self, kind: str, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Send a request; return whether the connection is still good."""
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head, body = await asyncio.wait_for(_answer(reader), PATIENCE)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            self._lose(kind, error)
            return False
        if not head.startswith("http/1.1 200"):
            self._lose(kind, ValueError(head))
            return False
        self.count.answered[kind] += 1
        self.count.bodies.append(body)
        self._begun.set()
        return "connection: close" not in head

    def _lose(self, kind: str, error: BaseException) -> None:
        self.count.lost[kind] += 1
        if len(self.count.why) < _TOLD:
            self.count.why.append(f"{kind}: {type(error).__name__}: {error}")


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
