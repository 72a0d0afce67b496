"""A shop for the tests of lifespans, and a server that runs it as real servers do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import transfuse
from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import LiveTree
    from transfuse.updates.reports import Report

APP = """
import outside
from shop import prices

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        outside.ran.append(("startup", prices.PRICE))
        await startup(scope["state"])
        scope["state"]["price"] = prices.PRICE
        await send({"type": "lifespan.startup.complete"})
        await receive()
        outside.ran.append(("shutdown", prices.PRICE))
        await shutdown()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send(("answer", scope["state"]["price"], prices.PRICE))

async def startup(state):
    pass

async def shutdown():
    ...
"""


def starting(*lines: str) -> str:
    """The shop, whose startup does this."""
    return APP.replace("    pass\n", "".join(f"    {line}\n" for line in lines))


def stopping(*lines: str) -> str:
    """The shop, whose shutdown does this."""
    return APP.replace("    ...\n", "".join(f"    {line}\n" for line in lines))


FAILING = starting("raise ConnectionError('no database')")


def shop(tree: LiveTree, app: str = APP, **settings: Any) -> None:
    """Write the shop and make it live."""
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": app})
    tree.install(**settings)


class Server:
    """Runs an application as a server does: one lifespan, and requests."""

    def __init__(self, application: Any = None) -> None:
        self.application: Any = application or transfuse.asgi("shop.web:app")
        self.scope: dict[str, Any] = {"type": "lifespan", "state": {}}
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.ensure_future(
            self.application(self.scope, self.inbox.get, self.told.put)
        )

    async def start(self) -> Any:
        await self.inbox.put({"type": "lifespan.startup"})
        return (await asyncio.wait_for(self.told.get(), CAP))["type"]

    async def stop(self) -> Any:
        await self.inbox.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(self.task, CAP)
        return (await self.told.get())["type"]

    def request(self) -> tuple[asyncio.Task[Any], asyncio.Queue[Any], asyncio.Queue[Any]]:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        sent: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "http", "method": "GET", "path": "/", "state": dict(self.scope["state"])}
        return asyncio.ensure_future(self.application(scope, inbox.get, sent.put)), inbox, sent

    async def answer(self) -> Any:
        task, inbox, sent = self.request()
        await inbox.put(None)
        await asyncio.wait_for(task, CAP)
        return await sent.get()


def served(tree: LiveTree, story: Callable[[Server], Awaitable[Any]], app: str = APP) -> Any:
    """Serve the shop for the length of a test, from startup to shutdown."""
    shop(tree, app)

    async def whole() -> Any:
        server = Server()
        assert await server.start() == "lifespan.startup.complete"
        result = await story(server)
        assert await server.stop() == "lifespan.shutdown.complete"
        return result

    return asyncio.run(asyncio.wait_for(whole(), 5 * CAP))


async def updated(tree: LiveTree, files: dict[str, str]) -> Report:
    return await asyncio.to_thread(tree.update, files)


async def until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), CAP)


class Held:
    """Keeps an update from being published until it is released."""

    order = 5

    def __init__(self) -> None:
        self.here = threading.Event()
        self.go = threading.Event()

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        self.here.set()
        assert self.go.wait(CAP)

    def published(self, generation: int) -> None:
        pass

    def abandoned(self, generation: int) -> None:
        pass


def serve_story(tree: LiveTree, story: Callable[[Server], Awaitable[None]]) -> None:
    """Serve `web:app` of a tree from the thread that imports it, and run a story."""

    async def whole() -> None:
        tree.install()
        server = Server(transfuse.asgi("web:app"))
        assert await server.start() == "lifespan.startup.complete"
        await story(server)
        await server.stop()

    asyncio.run(whole())
