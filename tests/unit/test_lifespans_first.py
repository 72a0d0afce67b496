"""The server's first startup: what is its own affair, and what an update makes of it meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import APP, FAILING, Held, Server, shop, starting, until, updated

import transfuse
from conftest import CAP
from transfuse.updates import participants

if TYPE_CHECKING:
    from conftest import LiveTree

WAITING = starting("await outside.go.wait()")


async def starts(outside: Any) -> tuple[Server, asyncio.Future[Any]]:
    """A server whose application's first startup is under way, until `outside.go` is set."""
    outside.go = asyncio.Event()
    server = Server()
    started = asyncio.ensure_future(server.start())
    await until(lambda: ("startup", 1) in outside.ran)
    return server, started


def test_an_update_during_the_first_startup_starts_its_own_application(
    tree: LiveTree, outside: Any
) -> None:
    shop(tree, WAITING)

    async def story() -> None:
        server, started = await starts(outside)
        report = await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": APP})
        assert report.outcome == "published", report.traceback
        outside.go.set()
        assert await asyncio.wait_for(started, CAP) == "lifespan.startup.complete"
        assert await server.answer() == ("answer", 2, 2)
        await until(lambda: ("shutdown", 1) in outside.ran)
        assert await server.stop() == "lifespan.shutdown.complete"

    asyncio.run(story())
    assert outside.ran == [("startup", 1), ("startup", 2), ("shutdown", 1), ("shutdown", 2)]


def test_p4_a_startup_that_fails_beside_the_first_refuses_the_update(
    tree: LiveTree, outside: Any
) -> None:
    shop(tree, WAITING)

    async def story() -> None:
        server, started = await starts(outside)
        report = await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": FAILING})
        assert isinstance(report.error, ConnectionError)
        outside.go.set()
        assert await asyncio.wait_for(started, CAP) == "lifespan.startup.complete"
        assert await server.answer() == ("answer", 1, 1)
        await server.stop()

    asyncio.run(story())


def test_a_first_startup_that_fails_after_its_repair_is_served_is_logged(
    tree: LiveTree, outside: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop(tree, starting("await outside.go.wait()", "raise ConnectionError('no database')"))

    async def story() -> None:
        outside.go = asyncio.Event()
        server = Server()
        started = asyncio.ensure_future(server.start())
        await until(lambda: ("startup", 1) in outside.ran)
        await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": APP})
        outside.go.set()
        assert await asyncio.wait_for(started, CAP) == "lifespan.startup.complete"
        assert await server.answer() == ("answer", 2, 2)
        assert "no database" in caplog.text
        await server.stop()

    asyncio.run(story())
    assert outside.ran == [("startup", 1), ("startup", 2), ("shutdown", 2)]


def test_a_server_that_starts_during_an_update_starts_what_is_current_then(
    tree: LiveTree, outside: Any
) -> None:
    shop(tree)
    held = Held()

    async def story() -> None:
        # So that the target is loaded, and there is something to update.
        server_to_be = transfuse.asgi("shop.web:app")
        participants.register(held)
        update = asyncio.ensure_future(updated(tree, {"shop/prices.py": "PRICE = 2"}))
        await until(held.here.is_set)
        server = Server(server_to_be)
        started = asyncio.ensure_future(server.start())
        for _ in range(20):
            await asyncio.sleep(0)
        held.go.set()
        assert (await asyncio.wait_for(update, CAP)).outcome == "published"
        assert await asyncio.wait_for(started, CAP) == "lifespan.startup.complete"
        assert await server.answer() == ("answer", 2, 2)
        await server.stop()

    asyncio.run(story())
    assert outside.ran == [("startup", 2), ("shutdown", 2)]


def test_a_first_startup_that_says_failed_and_raises_is_told_as_both(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
) -> None:
    # As Starlette does it; a server that heard of the error alone would go on without a lifespan.
    saying = APP.replace(
        '        await startup(scope["state"])\n',
        '        await send({"type": "lifespan.startup.failed", "message": "no database"})\n'
        "        raise ConnectionError('refused')\n",
    )
    shop(tree, saying)

    async def story() -> None:
        server = Server()
        assert await server.start() == "lifespan.startup.failed"
        with pytest.raises(ConnectionError, match="refused"):
            await asyncio.wait_for(server.task, CAP)

    asyncio.run(story())


def test_a_server_that_may_go_on_without_a_lifespan_is_said_to_have_none_later(
    tree: LiveTree, outside: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop(tree, FAILING)

    async def story() -> None:
        server = Server()
        await server.inbox.put({"type": "lifespan.startup"})
        with pytest.raises(ConnectionError, match="no database"):
            await asyncio.wait_for(server.task, CAP)
        assert "restart the server" in caplog.text
        report = await updated(tree, {"shop/web.py": APP})
        assert report.outcome == "published"

    asyncio.run(story())
    assert outside.ran == [("startup", 1)]


def test_an_application_without_a_lifespan_has_no_state_of_another(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
) -> None:
    shop(tree)
    without = """
        async def app(scope, receive, send):
            assert scope["type"] == "http", "no lifespan"
            await receive()
            await send(scope["state"])
        """

    async def story() -> None:
        server = Server()
        await server.start()
        assert server.scope["state"]["price"] == 1
        await updated(tree, {"shop/web.py": without})
        assert await server.answer() == {}
        await server.stop()

    asyncio.run(story())


def test_two_servers_of_one_application_have_a_lifespan_each(tree: LiveTree, outside: Any) -> None:
    numbered = starting("outside.states += 1", "state['number'] = outside.states")
    outside.states = 0
    shop(tree, numbered.replace('scope["state"]["price"], ', 'scope["state"]["number"], '))

    async def story() -> None:
        application = transfuse.asgi("shop.web:app")
        one, two = Server(application), Server(application)
        assert await one.start() == await two.start() == "lifespan.startup.complete"
        assert await one.answer() == ("answer", 1, 1)
        assert await two.answer() == ("answer", 2, 1)
        assert await one.stop() == "lifespan.shutdown.complete"
        await updated(tree, {"shop/prices.py": "PRICE = 2"})
        assert await two.answer() == ("answer", 3, 2)
        assert await two.stop() == "lifespan.shutdown.complete"

    asyncio.run(story())
    assert outside.ran == [
        ("startup", 1),
        ("startup", 1),
        ("shutdown", 1),
        ("startup", 2),
        ("shutdown", 1),
        ("shutdown", 2),
    ]
