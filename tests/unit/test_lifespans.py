"""Each generation's application has its own lifespan; its startup has a say in the update."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import transfuse
from conftest import CAP
from transfuse.errors import StartupFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Tree
    from transfuse.reports import Report

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
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send(("answer", scope["state"]["price"], prices.PRICE))

async def startup(state):
    pass
"""
FAILING = APP.replace("    pass\n", "    raise ConnectionError('no database')\n")


class Server:
    """What a server does with an application: one lifespan, and requests."""

    def __init__(self) -> None:
        self.application: Any = transfuse.asgi("shop.web:app")
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


def served(tree: Tree, story: Callable[[Server], Awaitable[Any]], app: str = APP) -> Any:
    """Serve the shop for the length of a story, from startup to shutdown."""
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": app})
    tree.install()

    async def whole() -> Any:
        server = Server()
        assert await server.start() == "lifespan.startup.complete"
        result = await story(server)
        assert await server.stop() == "lifespan.shutdown.complete"
        return result

    return asyncio.run(asyncio.wait_for(whole(), 5 * CAP))


async def updated(tree: Tree, files: dict[str, str]) -> Report:
    return await asyncio.to_thread(tree.update, files)


async def until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), CAP)


def test_the_next_startup_runs_before_it_is_published_and_the_old_shutdown_after_its_last_request(
    tree: Tree, outside: Any
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


def test_p4_a_startup_that_raises_refuses_the_update(tree: Tree, outside: Any) -> None:
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


def test_p4_a_startup_that_says_failed_refuses_the_update(tree: Tree, outside: Any) -> None:  # noqa: ARG001
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
    tree: Tree, outside: Any
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


def test_the_state_belongs_to_the_generation(tree: Tree, outside: Any) -> None:  # noqa: ARG001
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


def test_a_rollback_starts_the_former_application_again(tree: Tree, outside: Any) -> None:
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


def test_an_application_may_come_to_have_a_lifespan(tree: Tree, outside: Any) -> None:
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


def test_p4_a_startup_that_does_not_end_refuses_the_update(tree: Tree, outside: Any) -> None:  # noqa: ARG001
    hanging = APP.replace("    pass\n", "    import asyncio\n    await asyncio.Event().wait()\n")

    async def limited() -> None:
        server = Server()
        assert await server.start() == "lifespan.startup.complete"
        report = await updated(tree, {"shop/web.py": hanging})
        assert report.outcome == "refused"
        assert "time_limit (0.2 s)" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)
        assert await server.stop() == "lifespan.shutdown.complete"

    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": APP})
    tree.install(time_limit=0.2)
    asyncio.run(limited())


def test_an_update_that_its_own_event_loop_waits_for_is_refused_and_says_what_to_do(
    tree: Tree,
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


def test_p4_a_target_that_is_gone_refuses_the_update(tree: Tree, outside: Any) -> None:  # noqa: ARG001
    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/web.py": APP.replace("def app", "def application")})
        assert report.outcome == "refused"
        assert "has no 'app'" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)

    served(tree, story)


def test_the_first_startup_is_the_servers_affair(tree: Tree, outside: Any) -> None:  # noqa: ARG001
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": FAILING})
    tree.install()

    async def story() -> str:
        server = Server()
        await server.inbox.put({"type": "lifespan.startup"})
        try:
            await asyncio.wait_for(server.task, CAP)
        except ConnectionError as error:
            return str(error)
        return "nothing"

    assert asyncio.run(story()) == "no database"
