"""A started application is shut down exactly once: a former one, and the last one at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import APP, Server, served, shop, starting, stopping, until, updated

import transfuse
from conftest import CAP, ran
from transfuse.servers import lifespan

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LiveTree
    from transfuse.updates.reports import Report

WAITING = stopping("await outside.go.wait()", "outside.ran.append(('stopped', prices.PRICE))")


async def stopping_server(server: Server) -> asyncio.Task[Any]:
    """The server's end, as far as it goes by itself."""
    task = asyncio.ensure_future(server.stop())
    for _ in range(20):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()", "ValueError('bad')"])
def test_whatever_an_old_shutdown_raises_is_logged_and_the_server_goes_on(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
    caplog: pytest.LogCaptureFixture,
    error: str,
) -> None:
    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": APP})
        assert report.outcome == "published"
        await until(lambda: "shutdown of shop.web:app of generation 1 failed" in caplog.text)
        assert "in shutdown" in caplog.text
        assert await server.answer() == ("answer", 2, 2)

    served(tree, story, stopping(f"raise {error}"))


def test_p9_a_server_that_ends_waits_for_an_old_shutdown(tree: LiveTree, outside: Any) -> None:
    shop(tree, WAITING)

    async def story() -> None:
        outside.go = asyncio.Event()
        server = Server()
        await server.start()
        await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": APP})
        await until(lambda: ("shutdown", 1) in outside.ran)
        ending = await stopping_server(server)
        assert not ending.done()
        outside.go.set()
        assert await asyncio.wait_for(ending, CAP) == "lifespan.shutdown.complete"
        assert outside.ran[2:] == [("shutdown", 1), ("shutdown", 2), ("stopped", 1)]

    asyncio.run(story())


def test_a_server_that_ends_does_not_wait_for_ever_for_an_old_shutdown(
    tree: LiveTree, outside: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop(tree, WAITING, time_limit=0.2)

    async def story() -> None:
        outside.go = asyncio.Event()
        server = Server()
        await server.start()
        await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": APP})
        await until(lambda: ("shutdown", 1) in outside.ran)
        assert await server.stop() == "lifespan.shutdown.complete"
        assert outside.ran[-1] == ("shutdown", 2)
        assert "without the shutdowns of 1 former applications" in caplog.text

    asyncio.run(story())


def test_an_old_request_that_ends_with_the_server_has_its_shutdown_waited_for(
    tree: LiveTree, outside: Any
) -> None:
    shop(tree, WAITING)

    async def story() -> None:
        outside.go = asyncio.Event()
        server = Server()
        await server.start()
        task, inbox, _ = server.request()
        await asyncio.sleep(0)
        await updated(tree, {"shop/prices.py": "PRICE = 2", "shop/web.py": APP})
        await inbox.put(None)
        await task
        ending = await stopping_server(server)
        assert not ending.done()
        outside.go.set()
        assert await asyncio.wait_for(ending, CAP) == "lifespan.shutdown.complete"
        assert ("stopped", 1) in outside.ran

    asyncio.run(story())


IGNORING = (
    "try:",
    "    await outside.go.wait()",
    "except BaseException:",
    "    outside.ran.append(('told to end', prices.PRICE))",
)


@pytest.mark.parametrize("lines", [("await outside.go.wait()",), IGNORING], ids=["ends", "goes on"])
def test_p4_a_server_that_ends_while_the_next_startup_runs_ends_that_too(
    tree: LiveTree, outside: Any, lines: tuple[str, ...]
) -> None:
    shop(tree)

    async def story() -> None:
        outside.go = asyncio.Event()
        server = Server()
        await server.start()
        files = {"shop/prices.py": "PRICE = 2", "shop/web.py": starting(*lines)}
        update = asyncio.ensure_future(updated(tree, files))
        await until(lambda: ("startup", 2) in outside.ran)
        assert await server.stop() == "lifespan.shutdown.complete"
        report = await asyncio.wait_for(update, CAP)
        assert (report.outcome, str(report.error)) == ("refused", "the server is ending")
        assert transfuse.status().generation == 1
        assert [e for e in outside.ran if e[0] == "shutdown" and e[1] == 1] == [("shutdown", 1)]
        # What went on to its end all the same was started, and is shut down.
        assert (("shutdown", 2) in outside.ran) == (lines is IGNORING)

    asyncio.run(story())


def test_a_startup_that_completes_after_the_time_limit_is_shut_down(
    tree: LiveTree, outside: Any
) -> None:
    shop(tree, time_limit=0.2)

    async def story() -> None:
        outside.go = asyncio.Event()
        server = Server()
        await server.start()
        files = {"shop/prices.py": "PRICE = 2", "shop/web.py": starting(*IGNORING)}
        report = await updated(tree, files)
        assert "time_limit (0.2 s)" in str(report.error)
        await until(lambda: ("shutdown", 2) in outside.ran)
        assert await server.answer() == ("answer", 1, 1)
        await server.stop()

    asyncio.run(story())
    assert outside.ran[1:] == [
        ("startup", 2),
        ("told to end", 2),
        ("shutdown", 2),
        ("shutdown", 1),
    ]


def test_an_application_whose_shutdown_goes_on_is_made_anew(tree: LiveTree, outside: Any) -> None:
    async def story(server: Server) -> None:
        outside.go = asyncio.Event()
        await updated(tree, {"shop/prices.py": "PRICE = 2"})
        await until(lambda: ("shutdown", 1) in outside.ran)
        report = await updated_by(transfuse.rollback)
        assert (report.outcome, ran(report)) == ("rolled back", ["shop.prices", "shop.web"])
        assert await server.answer() == ("answer", 1, 1)
        assert ("stopped", 1) not in outside.ran
        outside.go.set()
        await until(lambda: ("stopped", 2) in outside.ran)

    served(tree, story, WAITING)
    assert outside.ran[2:5] == [("shutdown", 1), ("startup", 1), ("shutdown", 2)]
    assert sorted(outside.ran[5:]) == [
        ("shutdown", 1),
        ("stopped", 1),
        ("stopped", 1),
        ("stopped", 2),
    ]


async def updated_by(call: Callable[[], Report]) -> Report:
    return await asyncio.wait_for(asyncio.to_thread(call), CAP)


# What the shutdown of an application closes: something of its own module, and of another.
CLOSING = {
    "shop/db.py": "import outside\noutside.ran.append('open')\nis_open = True\n",
    "shop/web.py": stopping("db.is_open = False")
    .replace(
        "from shop import prices",
        "from shop import db, prices",
    )
    .replace("prices.PRICE))", "(prices.PRICE, db.is_open)))"),
}


def test_what_a_shutdown_has_closed_is_made_anew_by_a_rollback(
    tree: LiveTree, outside: Any
) -> None:
    tree.write(CLOSING)
    first = ("answer", 1, (1, True))

    async def story(server: Server) -> None:
        assert await server.answer() == first
        edited = {"shop/db.py": CLOSING["shop/db.py"] + "# 2\n", "shop/prices.py": "PRICE = 2"}
        assert (await updated(tree, edited)).outcome == "published"
        await until(lambda: ("shutdown", (1, True)) in outside.ran)
        report = await updated_by(transfuse.rollback)
        assert report.outcome == "rolled back"
        assert sorted(ran(report)) == ["shop.db", "shop.prices", "shop.web"]
        assert await server.answer() == first
        # The files as they were: nothing differs, and what is served is open.
        assert (await updated(tree, {"shop/prices.py": "PRICE = 1"})).outcome == "unchanged"
        assert await server.answer() == first

    served(tree, story, CLOSING["shop/web.py"])


def test_p4_a_rollback_whose_startup_fails_is_refused(tree: LiveTree, outside: Any) -> None:
    outside.is_taken = False
    app = starting("if outside.is_taken: raise OSError('the port is taken')")

    async def story(server: Server) -> None:
        await updated(tree, {"shop/prices.py": "PRICE = 2"})
        await until(lambda: ("shutdown", 1) in outside.ran)
        outside.is_taken = True
        report = await updated_by(transfuse.rollback)
        assert (report.outcome, str(report.error)) == ("refused", "the port is taken")
        assert await server.answer() == ("answer", 2, 2)
        assert transfuse.status().set_aside == ()
        outside.is_taken = False
        assert (await updated_by(transfuse.rollback)).outcome == "rolled back"
        assert await server.answer() == ("answer", 1, 1)

    served(tree, story, app)


def test_an_application_that_still_has_requests_is_served_again_as_it_is(
    tree: LiveTree, outside: Any
) -> None:
    async def story(server: Server) -> None:
        task, inbox, _ = server.request()
        await asyncio.sleep(0)
        await updated(tree, {"shop/prices.py": "PRICE = 2"})
        report = await updated_by(transfuse.rollback)
        assert (report.outcome, ran(report)) == ("rolled back", [])
        await inbox.put(None)
        await asyncio.wait_for(task, CAP)
        assert await server.answer() == ("answer", 1, 1)

    served(tree, story)
    assert outside.ran == [("startup", 1), ("startup", 2), ("shutdown", 2), ("shutdown", 1)]


def test_a_shutdown_that_hangs_is_told_of_by_name(
    tree: LiveTree, outside: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifespan, "LONG", 0.01)
    caplog.set_level(logging.WARNING, "transfuse")

    async def story(_: Server) -> None:
        outside.go = asyncio.Event()
        await updated(tree, {"shop/prices.py": "PRICE = 2"})
        said = "the shutdown of shop.web:app of generation 1 has not come to its end"
        await until(lambda: said in caplog.text)
        outside.go.set()

    served(tree, story, WAITING)


def test_p8_the_first_application_lives_no_longer_than_the_others(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
) -> None:
    shop(tree, starting("state['code'] = startup"), keep=0)

    async def story() -> None:
        server = Server()
        await server.start()
        first = weakref.ref(transfuse.import_module("shop.web").app)
        assert (await updated(tree, {"shop/prices.py": "PRICE = 2"})).outcome == "published"
        tree.reports.clear()
        assert await server.answer() == ("answer", 2, 2)
        await until(lambda: gc.collect() < 0 or first() is None)
        await server.stop()

    asyncio.run(story())
