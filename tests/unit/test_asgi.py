"""An ASGI request is a unit of work. Lifespans: see `test_lifespans.py`."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree

APP = """
    from shop import prices

    async def app(scope, receive, send):
        before = prices.PRICE
        await receive()
        from shop import prices as late
        await send((before, late.PRICE))

    """


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": APP})
    tree.install()
    return tree


class Wire:
    """A middleware between a server and an application."""

    def __init__(
        self, application: Any, kind: str = "http", scope: dict[str, Any] | None = None
    ) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": kind} if scope is None else scope
        self.task = asyncio.ensure_future(application(scope, self.inbox.get, self.sent.put))


async def publish(shop: LiveTree, price: int) -> None:
    await asyncio.to_thread(shop.published, {"shop/prices.py": f"PRICE = {price}"})


def pins() -> int:
    return sum(count for _, count in transfuse.status().draining)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_p2_a_request_is_finished_by_the_generation_it_began_with(
    shop: LiveTree, kind: str
) -> None:
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


def test_p2_a_request_that_a_server_begins_inside_another_is_of_the_current_generation(
    shop: LiveTree,
) -> None:
    """A server that pipelines begins the next request where the response before it ends."""

    async def story() -> list[Any]:
        application = transfuse.asgi("shop.web:app")
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        begun: list[Wire] = []

        async def send(_: Any) -> None:
            begun.append(Wire(application))
            await asyncio.sleep(0)

        first = asyncio.ensure_future(application({"type": "http"}, inbox.get, send))
        await asyncio.sleep(0)
        await publish(shop, 2)
        await inbox.put(None)
        await first
        await begun[0].inbox.put(None)
        await begun[0].task
        return [await begun[0].sent.get(), pins()]

    assert asyncio.run(story()) == [(2, 2), 0]


def test_p2_an_application_of_ours_in_another_is_part_of_its_request(shop: LiveTree) -> None:
    mounting = """
        import outer_world
        async def app(scope, receive, send):
            await receive()
            for inner_scope, in_a_task in ((scope, False), (scope, True), (dict(scope), True)):
                await outer_world.run(inner_scope, in_a_task, send)
        """
    world: Any = ModuleType("outer_world")
    shop.write({"shop/outer.py": mounting})

    async def story(application: Any) -> list[Any]:
        inner = transfuse.asgi("shop.web:app")

        async def run(scope: Any, in_a_task: bool, send: Any) -> None:
            async def receive() -> dict[str, Any]:
                return {}

            work = inner(scope, receive, send)
            await (asyncio.ensure_future(work) if in_a_task else work)

        world.run = run
        old = Wire(application)
        await asyncio.sleep(0)
        await publish(shop, 2)
        await old.inbox.put(None)
        await old.task
        return [old.sent.get_nowait() for _ in range(3)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "outer_world", world)
        assert asyncio.run(story(transfuse.asgi("shop.outer:app"))) == [(1, 1)] * 3


def test_p2_a_pin_inside_a_request_stays_in_its_generation(shop: LiveTree) -> None:
    late = """
        import transfuse
        from shop import prices
        async def app(scope, receive, send):
            await receive()
            with transfuse.pin() as pin:
                await send(pin.generation)
        """
    shop.write({"shop/late.py": late})

    async def story() -> Any:
        old = Wire(transfuse.asgi("shop.late:app"))
        await asyncio.sleep(0)
        await publish(shop, 2)
        await old.inbox.put(None)
        await old.task
        return old.sent.get_nowait()

    assert asyncio.run(story()) == 1
