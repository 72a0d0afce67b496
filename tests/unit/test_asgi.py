"""An ASGI request is a unit of work. Lifespans: see `test_lifespans.py`."""

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
        before = prices.PRICE
        await receive()
        from shop import prices as late
        await send((before, late.PRICE))

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
