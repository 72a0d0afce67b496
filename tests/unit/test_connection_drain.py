"""With the setting `drain`, connections that stay open too long on old code are told to close."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import Held, until

import transfuse
from conftest import CAP
from transfuse.servers import connection_drain
from transfuse.updates import participants

if TYPE_CHECKING:
    from conftest import LiveTree

CHAT = """
PRICE = {0}
async def app(scope, receive, send):
    await receive()
    await send({{"type": "websocket.accept"}})
    while (message := await receive())["type"] == "websocket.receive":
        await send({{"type": "websocket.send", "text": message["text"] + " {0}"}})
    try:
        await send({{"type": "websocket.send", "text": "too late"}})
    except OSError:
        await scope["told"].put(message)
"""
STREAM = """
PRICE = {0}
import asyncio
async def app(scope, receive, send):
    headers = scope["answer"]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b"first {0}", "more_body": True}})
    while (await receive())["type"] != "http.disconnect":
        pass
"""


TOLD = "1 connections of former generations are told to end"


class Line:
    """One connection, as a server holds it."""

    def __init__(self, application: Any, kind: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        # While this is not set the server is still writing.
        self.written = asyncio.Event()
        self.written.set()
        scope = {"type": kind, "path": "/", "told": self.told, "answer": headers}
        self.task = asyncio.ensure_future(application(scope, self.inbox.get, self.send))

    async def send(self, message: Any) -> None:
        await self.sent.put(message)
        await self.written.wait()

    async def hears(self) -> Any:
        return await asyncio.wait_for(self.sent.get(), CAP)

    async def ends(self) -> None:
        await asyncio.wait_for(self.task, CAP)


def opened(kind: str, headers: list[tuple[bytes, bytes]] | None = None) -> Line:
    line = Line(transfuse.asgi("shop:app"), kind, headers or [])
    line.inbox.put_nowait({"type": f"{kind}.connect" if kind == "websocket" else "http.request"})
    return line


async def published(tree: LiveTree, source: str, price: int) -> None:
    await asyncio.to_thread(tree.published, {"shop.py": source.format(price)})


def test_an_old_websocket_is_closed_as_for_a_restart_and_a_new_one_is_not(tree: LiveTree) -> None:
    tree.write({"shop.py": CHAT.format(1)})
    tree.install(drain=0.05)

    async def story() -> None:
        old = opened("websocket")
        assert (await old.hears())["type"] == "websocket.accept"
        await published(tree, CHAT, 2)
        new = opened("websocket")
        closing = await old.hears()
        assert (closing["type"], closing["code"]) == ("websocket.close", 1012)
        await old.ends()
        # The application hears it as a client's leaving, and can send nothing more.
        assert old.told.get_nowait()["code"] == 1012
        assert old.sent.empty()
        assert transfuse.status().draining == ()
        new.inbox.put_nowait({"type": "websocket.receive", "text": "still"})
        assert (await new.hears())["type"] == "websocket.accept"
        assert (await new.hears())["text"] == "still 2"
        new.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await new.ends()

    asyncio.run(story())


DEAF = """
PRICE = {0}
async def app(scope, receive, send):
    await receive()
    await send({{"type": "websocket.accept"}})
    await scope["told"].get()
"""


@pytest.mark.parametrize("source", [CHAT, DEAF], ids=["it is told", "it leaves by itself"])
def test_an_old_websocket_does_not_return_before_its_close_is_written(
    tree: LiveTree, source: str
) -> None:
    # A server ends a WebSocket whose application has returned, and then without a code.
    tree.write({"shop.py": source.format(1)})
    tree.install(drain=0.05)

    async def story() -> None:
        old = opened("websocket")
        assert (await old.hears())["type"] == "websocket.accept"
        old.written.clear()
        await published(tree, source, 2)
        assert (await old.hears())["code"] == 1012
        if source is DEAF:
            old.told.put_nowait("leave")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not old.task.done()
        assert old.told.empty()
        old.written.set()
        await old.ends()

    asyncio.run(story())


def test_nobody_reads_from_an_old_websocket_while_it_is_closed(tree: LiveTree) -> None:
    # Granian writes a close only when nothing is being received.
    tree.write({"shop.py": CHAT.format(1)})
    tree.install(drain=0.05)

    async def story() -> None:
        old = opened("websocket")
        assert (await old.hears())["type"] == "websocket.accept"
        old.written.clear()
        await published(tree, CHAT, 2)
        assert (await old.hears())["code"] == 1012
        old.inbox.put_nowait({"type": "websocket.receive", "text": "still"})
        for _ in range(20):
            await asyncio.sleep(0)
        assert old.inbox.qsize() == 1
        old.written.set()
        await old.ends()
        assert old.told.get_nowait()["code"] == 1012

    asyncio.run(story())


@pytest.mark.parametrize("measured", [False, True])
def test_an_old_stream_is_told_that_its_client_has_gone(tree: LiveTree, measured: bool) -> None:
    tree.write({"shop.py": STREAM.format(1)})
    tree.install(drain=0.05)

    async def story() -> None:
        old = opened("http", [(b"Content-Length", b"1000")] if measured else [])
        assert (await old.hears())["type"] == "http.response.start"
        assert (await old.hears())["body"] == b"first 1"
        await published(tree, STREAM, 2)
        await old.ends()
        if measured:
            # Its length was promised, so it cannot be called complete.
            assert old.sent.empty()
        else:
            assert await old.hears() == {"type": "http.response.body", "body": b""}

    asyncio.run(story())


def test_a_response_that_has_not_begun_is_let_be(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "transfuse")
    slow = """
    PRICE = {0}
    async def app(scope, receive, send):
        await receive()
        await receive()
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"{0}"}})
    """
    tree.write({"shop.py": slow.format(1)})
    tree.install(drain=0.01)

    async def story() -> None:
        old = opened("http")
        await asyncio.sleep(0)
        await published(tree, slow, 2)
        await until(lambda: TOLD in caplog.text)
        old.inbox.put_nowait({"type": "http.request"})
        await old.ends()
        assert (await old.hears())["type"] == "http.response.start"
        assert (await old.hears())["body"] == b"1"

    asyncio.run(story())


def test_without_the_setting_a_websocket_lasts_and_status_names_it(tree: LiveTree) -> None:
    tree.write({"shop.py": CHAT.format(1)})
    tree.install()

    async def story() -> None:
        old = opened("websocket")
        await old.hears()
        await published(tree, CHAT, 2)
        (unit,) = transfuse.status().units
        assert (unit.what, unit.generation) == ("websocket /", 1)
        old.inbox.put_nowait({"type": "websocket.receive", "text": "still"})
        assert (await old.hears())["text"] == "still 1"
        old.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await old.ends()
        assert transfuse.status().units == ()

    asyncio.run(story())


LATE = """
PRICE = {0}
async def app(scope, receive, send):
    await receive()
    assert (await receive())["type"] == "http.request"
    await send({{"type": "http.response.start", "status": 200, "headers": scope["answer"]}})
    while (await receive())["type"] != "http.disconnect":
        await send({{"type": "http.response.body", "body": b"{0}", "more_body": True}})
"""


@pytest.mark.parametrize("measured", [False, True])
def test_a_stream_that_begins_past_the_limit_is_told_once_it_has_begun(
    tree: LiveTree,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    measured: bool,
) -> None:
    monkeypatch.setattr(connection_drain, "_LATE", 0.01)
    caplog.set_level(logging.INFO, "transfuse")
    tree.write({"shop.py": LATE.format(1)})
    tree.install(drain=0.01)

    async def story() -> None:
        old = opened("http", [(b"Content-Length", b"1")] if measured else [])
        await asyncio.sleep(0)
        await published(tree, LATE, 2)
        await until(lambda: TOLD in caplog.text)
        old.inbox.put_nowait({"type": "http.request"})
        assert (await old.hears())["type"] == "http.response.start"
        if measured:
            # It ends by itself, and cannot be cut.
            old.inbox.put_nowait({"type": "http.request"})
            assert (await old.hears())["body"] == b"1"
            old.inbox.put_nowait({"type": "http.disconnect"})
        else:
            assert await old.hears() == {"type": "http.response.body", "body": b""}
        await old.ends()

    asyncio.run(story())


ASKED = """
PRICE = {0}
async def app(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await scope["told"].get()
    await send({{"type": "websocket.accept"}})
    while (message := await receive())["type"] == "websocket.receive":
        pass
    await scope["told"].put(message)
"""


def test_a_websocket_that_is_accepted_past_the_limit_is_closed_then_and_not_refused(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "transfuse")
    tree.write({"shop.py": ASKED.format(1)})
    tree.install(drain=0.01)

    async def story() -> None:
        old = opened("websocket")
        await asyncio.sleep(0)
        await published(tree, ASKED, 2)
        await until(lambda: TOLD in caplog.text)
        assert old.sent.empty()
        old.told.put_nowait("accept")
        assert (await old.hears())["type"] == "websocket.accept"
        closing = await old.hears()
        assert (closing["type"], closing["code"]) == ("websocket.close", 1012)
        await old.ends()
        assert old.told.get_nowait()["code"] == 1012

    asyncio.run(story())


def test_the_first_connection_of_all_is_told_if_it_begins_while_an_update_is_staged(
    tree: LiveTree,
) -> None:
    tree.write({"shop.py": CHAT.format(1)})
    tree.install(drain=0.01)
    held = Held()

    async def story() -> None:
        transfuse.import_module("shop")
        participants.register(held)
        publishing = asyncio.ensure_future(published(tree, CHAT, 2))
        await until(held.here.is_set)
        first = opened("websocket")
        assert (await first.hears())["type"] == "websocket.accept"
        held.go.set()
        await publishing
        assert (await first.hears())["code"] == 1012
        await first.ends()

    asyncio.run(story())


PAIR = """
import asyncio
async def app(scope, receive, send):
    both = [asyncio.ensure_future(receive()) for _ in range(2)]
    for one in both:
        await scope["told"].put(await one)
"""


def test_each_message_is_received_once_though_two_receive_at_the_same_time(tree: LiveTree) -> None:
    tree.write({"shop.py": PAIR})
    tree.install(drain=10)

    async def story() -> list[Any]:
        line = opened("websocket")
        await asyncio.sleep(0)
        line.inbox.put_nowait("second")
        await line.ends()
        return [line.told.get_nowait()["type"], line.told.get_nowait()]

    assert asyncio.run(story()) == ["websocket.connect", "second"]


def test_under_another_librarys_event_loop_connections_last_and_that_is_said_once(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    connection_drain._tell_that_they_last.cache_clear()
    tree.write({"shop.py": "async def app(scope, receive, send): await send('answer')"})
    tree.install(drain=10)
    application = transfuse.asgi("shop:app")
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    for _ in range(2):
        # Driven by hand, so that no loop of asyncio's runs.
        work: Any = application({"type": "http", "path": "/"}, receive, send)
        with pytest.raises(StopIteration):
            work.send(None)
    assert sent == ["answer", "answer"]
    assert caplog.text.count("needs an event loop of asyncio's") == 1
