"""Each generation's application has its own lifespan; its startup has a say in the update."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import APP, FAILING, Server, served, shop, starting, until, updated

import transfuse
from conftest import CAP
from transfuse.errors import StartupFailed
from transfuse.registrations import exchange
from transfuse.registrations.search import Search

if TYPE_CHECKING:
    from conftest import LiveTree


def test_the_next_startup_runs_before_it_is_published_and_the_old_shutdown_after_its_last_request(
    tree: LiveTree, outside: Any
) -> None:
    async def story(server: Server) -> None:
        task, inbox, sent = server.request()
        await asyncio.sleep(0)
        report = await updated(tree, {"shop/prices.py": "PRICE = 2"})
        assert report.outcome == "published"
        assert await server.answer() == ("answer", 2, 2)
        assert outside.ran == [("startup", 1), ("startup", 2)]
        await inbox.put(None)
        await task
        assert await sent.get() == ("answer", 1, 1)
        await until(lambda: len(outside.ran) == 3)
        assert outside.ran[2:] == [("shutdown", 1)]

    served(tree, story)
    assert outside.ran[3:] == [("shutdown", 2)]


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="frames of coroutines are objects of their own: it searches"
)
def test_p5_a_lifespan_that_waits_costs_no_search_for_registrations(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searches: list[object] = []

    def made(*args: Any) -> Search:
        searches.append(args)
        return Search(*args)

    monkeypatch.setattr(exchange, "Search", made)

    async def story(server: Server) -> None:
        for price in (2, 3):
            await updated(tree, {"shop/prices.py": f"PRICE = {price}"})
            assert await server.answer() == ("answer", price, price)
        assert searches == []

    served(tree, story)


def test_p5_what_a_startup_registers_is_replaced(tree: LiveTree, outside: Any) -> None:
    outside.handlers = []
    shop(tree, starting("outside.handlers.append(lambda: prices.PRICE)"))

    async def story() -> None:
        server = Server()
        await server.start()
        for price in (2, 3):
            await updated(tree, {"shop/prices.py": f"PRICE = {price}"})
            assert await server.answer() == ("answer", price, price)
            assert [handler() for handler in outside.handlers] == [price]
        await server.stop()

    asyncio.run(story())


def test_p4_a_startup_that_raises_refuses_the_update(tree: LiveTree, outside: Any) -> None:
    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": FAILING})
        assert report.outcome == "refused"
        assert isinstance(report.error, ConnectionError)
        assert "in startup" in report.traceback
        assert "shop/web.py" in report.traceback
        assert await server.answer() == ("answer", 1, 1)
        # The repair is served, and nothing of the failed one remains.
        report = await updated(tree, {"shop/web.py": APP})
        assert report.outcome == "published"
        assert await server.answer() == ("answer", 2, 2)

    served(tree, story)
    names = [name for name, _ in outside.ran]
    assert names == ["startup", "startup", "startup", "shutdown", "shutdown"]


@pytest.mark.parametrize("error", ["SystemExit('no config')", "KeyboardInterrupt()"])
def test_p4_a_next_startup_that_would_end_the_process_refuses_the_update(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
    error: str,
) -> None:
    shop(tree)

    async def story() -> None:
        server = Server()
        await server.start()
        report = await updated(tree, {"shop/web.py": starting(f"raise {error}")})
        assert report.outcome == "refused"
        assert error.partition("(")[0] == type(report.error).__name__
        assert "in startup" in report.traceback
        assert await server.answer() == ("answer", 1, 1)
        assert await server.stop() == "lifespan.shutdown.complete"

    asyncio.run(story())


def test_p4_a_startup_that_says_failed_refuses_the_update(tree: LiveTree, outside: Any) -> None:  # noqa: ARG001
    saying = APP.replace(
        '        await startup(scope["state"])\n',
        '        await send({"type": "lifespan.startup.failed", "message": "no database"})\n'
        "        return\n",
    )

    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/web.py": saying})
        assert report.outcome == "refused"
        assert isinstance(report.error, StartupFailed)
        assert "no database" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)

    served(tree, story)


def test_an_application_that_an_update_leaves_as_it_is_keeps_its_lifespan(
    tree: LiveTree, outside: Any
) -> None:
    lazy = APP.replace(
        '    await send(("answer",',
        '    from shop import late\n    await send(("answer", late.VALUE,',
    )

    async def story(server: Server) -> None:
        assert await server.answer() == ("answer", 1, 1, 1)
        await updated(tree, {"shop/late.py": "VALUE = 2"})
        assert await server.answer() == ("answer", 2, 1, 1)
        assert outside.ran == [("startup", 1)]

    tree.write({"shop/late.py": "VALUE = 1"})
    served(tree, story, lazy)


def test_the_state_belongs_to_the_generation(tree: LiveTree, outside: Any) -> None:  # noqa: ARG001
    """What a handler leaves in its copy, or an old startup in its own, is not in the next one's."""
    with_more = APP.replace("    pass\n", "    assert not state, state\n    state['more'] = 1\n")
    without = APP.replace("    pass\n", "    assert not state, state\n")

    async def story(server: Server) -> None:
        await updated(tree, {"shop/web.py": without})
        assert await server.answer() == ("answer", 1, 1)
        report = await updated(tree, {"shop/prices.py": "PRICE = 2"})
        assert report.outcome == "published", report.traceback
        assert await server.answer() == ("answer", 2, 2)

    served(tree, story, with_more)


def test_a_rollback_starts_the_former_application_again(tree: LiveTree, outside: Any) -> None:
    async def story(server: Server) -> None:
        await updated(tree, {"shop/prices.py": "PRICE = 2"})
        await until(lambda: ("shutdown", 1) in outside.ran)
        report = await asyncio.to_thread(transfuse.rollback)
        assert report.outcome == "rolled back"
        assert await server.answer() == ("answer", 1, 1)

    served(tree, story)
    assert outside.ran == [
        ("startup", 1),
        ("startup", 2),
        ("shutdown", 1),
        ("startup", 1),
        ("shutdown", 2),
        ("shutdown", 1),
    ]


def test_an_application_may_come_to_have_a_lifespan(tree: LiveTree, outside: Any) -> None:
    without = """
        from shop import prices
        async def app(scope, receive, send):
            assert scope["type"] == "http", "no lifespan"
            await send(("answer", prices.PRICE))
        """

    async def story(server: Server) -> None:
        assert await server.answer() == ("answer", 1)
        report = await updated(tree, {"shop/web.py": APP})
        assert report.outcome == "published", report.traceback
        assert await server.answer() == ("answer", 1, 1)
        report = await updated(tree, {"shop/web.py": without})
        assert report.outcome == "published", report.traceback
        assert await server.answer() == ("answer", 1)

    served(tree, story, without)
    assert outside.ran == [("startup", 1), ("shutdown", 1)]


def test_p4_a_startup_that_does_not_end_refuses_the_update(tree: LiveTree, outside: Any) -> None:  # noqa: ARG001
    hanging = APP.replace("    pass\n", "    import asyncio\n    await asyncio.Event().wait()\n")

    async def limited() -> None:
        server = Server()
        assert await server.start() == "lifespan.startup.complete"
        report = await updated(tree, {"shop/web.py": hanging})
        assert report.outcome == "refused"
        assert "time_limit (0.2 s)" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)
        assert await server.stop() == "lifespan.shutdown.complete"

    shop(tree, time_limit=0.2)
    asyncio.run(limited())


def test_an_update_that_its_own_event_loop_waits_for_is_refused_and_says_what_to_do(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
) -> None:
    async def story(server: Server) -> None:
        report = tree.update({"shop/prices.py": "PRICE = 2"})
        assert report.outcome == "refused"
        assert "asyncio.to_thread(transfuse.update)" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)
        report = await updated(tree, {"shop/prices.py": "PRICE = 3"})
        assert report.outcome == "published"

    served(tree, story)


def test_p4_a_target_that_is_gone_refuses_the_update(tree: LiveTree, outside: Any) -> None:  # noqa: ARG001
    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/web.py": APP.replace("def app", "def application")})
        assert report.outcome == "refused"
        assert "has no 'app'" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)

    served(tree, story)


def test_the_first_startup_is_the_servers_affair(tree: LiveTree, outside: Any) -> None:  # noqa: ARG001
    shop(tree, FAILING)

    async def story() -> str:
        server = Server()
        await server.inbox.put({"type": "lifespan.startup"})
        try:
            await asyncio.wait_for(server.task, CAP)
        except ConnectionError as error:
            return str(error)
        return "nothing"

    assert asyncio.run(story()) == "no database"
