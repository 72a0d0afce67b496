"""An ASGI request is a unit of work; the lifespan belongs to the generation that starts it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import Tree

APP = """
    from shop import prices

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            if LIFESPAN:
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete", "price": prices.PRICE})
                return
            raise LookupError("no lifespan")
        before = prices.PRICE
        await receive()
        from shop import prices as late
        await send((before, late.PRICE))

    LIFESPAN = True
    """


@pytest.fixture
def shop(tree: Tree) -> Tree:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": APP})
    tree.install()
    return tree


class Wire:
    """What stands between a server and an application."""

    def __init__(self, application: Any, kind: str) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": kind}
        self.task = asyncio.ensure_future(application(scope, self.inbox.get, self.sent.put))


async def publish(shop: Tree, price: int) -> None:
    await asyncio.to_thread(shop.published, {"shop/prices.py": f"PRICE = {price}"})


def pins() -> int:
    return sum(count for _, count in transfuse.status().draining)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_p2_a_request_is_finished_by_the_generation_it_began_with(shop: Tree, kind: str) -> None:
    async def story() -> list[Any]:
        application = transfuse.asgi("shop.web:app")
        old = Wire(application, kind)
        await asyncio.sleep(0)
        await publish(shop, 2)
        new = Wire(application, kind)
        await asyncio.sleep(0)
        held = pins()
        for wire in (old, new):
            await wire.inbox.put(None)
            await wire.task
        return [await old.sent.get(), await new.sent.get(), held, pins()]

    assert asyncio.run(story()) == [(1, 1), (2, 2), 1, 0]


def test_the_lifespan_is_ended_by_the_application_that_began_it(shop: Tree) -> None:
    async def story() -> list[Any]:
        wire = Wire(transfuse.asgi("shop.web:app"), "lifespan")
        await wire.inbox.put({"type": "lifespan.startup"})
        started = await wire.sent.get()
        await publish(shop, 2)
        held = pins()
        await wire.inbox.put({"type": "lifespan.shutdown"})
        await wire.task
        return [started["type"], held, await wire.sent.get()]

    assert asyncio.run(story()) == [
        "lifespan.startup.complete",
        0,
        {"type": "lifespan.shutdown.complete", "price": 1},
    ]


def test_an_application_without_a_lifespan_says_so_by_raising(shop: Tree) -> None:
    shop.write({"shop/web.py": APP.replace("LIFESPAN = True", "LIFESPAN = False")})

    async def story() -> None:
        await Wire(transfuse.asgi("shop.web:app"), "lifespan").task

    shop.update()
    with pytest.raises(LookupError, match="no lifespan"):
        asyncio.run(story())
