"""What an update puts into a `threading.local` of another module is there in the server."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import Server, serve_story

import transfuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import LiveTree

APP = """
    import conf

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        await send(getattr(conf.HERE, "name", None))
    """
# How `conf.py` reaches the object of another module.
LIVE = "import lib\nHERE = lib.here\nlib.enter('{}')\n"
FOREIGN = "import outside\nHERE = outside.here\nHERE.name = '{}'\n"
OF_A_CLASS = "import outside\nHERE = outside.current\nHERE.name = '{}'\n"
LIB = "import threading\nhere = threading.local()\ndef enter(name): here.name = name\n"


class Current(threading.local):
    name = "none"


@pytest.fixture(autouse=True)
def foreign_objects(outside: ModuleType) -> None:
    vars(outside).update(here=threading.local(), current=Current())


def served(
    tree: LiveTree, conf: str, story: Callable[[Server], Awaitable[None]], lib: str = LIB
) -> None:
    tree.write({"web.py": APP, "lib.py": lib, "conf.py": conf})
    serve_story(tree, story)


async def saved(tree: LiveTree, conf: str) -> Any:
    return await asyncio.to_thread(tree.update, {"conf.py": conf})


@pytest.mark.parametrize("source", [LIVE, FOREIGN, OF_A_CLASS])
def test_requests_find_the_new_value(tree: LiveTree, source: str) -> None:
    async def story(server: Server) -> None:
        assert await server.answer() == "shop 1"
        for number in (2, 3):
            report = await saved(tree, source.format(f"shop {number}"))
            assert report.outcome == "published", report.traceback
            assert await server.answer() == f"shop {number}"

    served(tree, source.format("shop 1"), story)


def test_a_refused_update_changes_no_value(tree: LiveTree) -> None:
    async def story(server: Server) -> None:
        report = await saved(tree, LIVE.format("shop 2") + "1 / 0\n")
        assert (report.outcome, await server.answer()) == ("refused", "shop 1")
        assert (await saved(tree, LIVE.format("shop 3"))).outcome == "published"
        assert await server.answer() == "shop 3"

    served(tree, LIVE.format("shop 1"), story)


def test_a_value_that_a_request_has_set_stays_while_other_modules_run(tree: LiveTree) -> None:
    async def story(server: Server) -> None:
        assert (await saved(tree, FOREIGN.format("shop 2"))).outcome == "published"
        tree.module("conf").HERE.name = "of a request"
        report = await asyncio.to_thread(tree.update, {"lib.py": LIB + "EDITION = 2\n"})
        assert (report.outcome, await server.answer()) == ("published", "of a request")

    served(tree, FOREIGN.format("shop 1"), story)


def test_requests_find_the_new_value_in_an_object_that_an_update_has_made(tree: LiveTree) -> None:
    async def story(server: Server) -> None:
        report = await asyncio.to_thread(tree.update, {"lib.py": LIB + "EDITION = 2\n"})
        assert (report.outcome, await server.answer()) == ("published", "shop 1")
        assert (await saved(tree, LIVE.format("shop 2"))).outcome == "published"
        assert await server.answer() == "shop 2"

    served(tree, LIVE.format("shop 1"), story)


def test_an_object_of_a_class_and_its_value_can_change_in_one_update(tree: LiveTree) -> None:
    lib = "import threading\nclass Here:\n    now = threading.local()\n"
    conf = "import lib\nHERE = lib.Here.now\nHERE.name = '{}'\n"

    async def story(server: Server) -> None:
        tree.write({"conf.py": conf.format("shop 2")})
        report = await asyncio.to_thread(tree.update, {"lib.py": lib + "EDITION = 2\n"})
        assert (report.outcome, await server.answer()) == ("published", "shop 2")
        assert (await saved(tree, conf.format("shop 3"))).outcome == "published"
        assert await server.answer() == "shop 3"

    served(tree, conf.format("shop 1"), story, lib)


def test_a_module_that_took_the_place_of_another_is_looked_into(tree: LiveTree) -> None:
    sets = "import sys\nsys.modules['outside'].here.name = {}\n"
    tree.write({"conf.py": sets.format(1)})
    tree.install()
    tree.module("conf")
    for number in range(2, 30):
        del sys.modules["outside"]
        # This one may get the same address.
        sys.modules["outside"] = ModuleType("outside")
        here = vars(sys.modules["outside"])["here"] = threading.local()
        tree.published({"conf.py": sets.format(number)})
        assert here.name == number


def test_a_rollback_brings_the_former_value_back(tree: LiveTree) -> None:
    async def story(server: Server) -> None:
        for number in (2, 3):
            assert (await saved(tree, LIVE.format(f"shop {number}"))).outcome == "published"
        assert (await asyncio.to_thread(transfuse.rollback)).outcome == "rolled back"
        assert await server.answer() == "shop 2"

    served(tree, LIVE.format("shop 1"), story)


def test_a_module_that_asks_first_finds_nothing_of_its_former_run(tree: LiveTree) -> None:
    asks = LIVE.replace("lib.enter", "hasattr(HERE, 'name') or lib.enter")

    async def story(server: Server) -> None:
        for number in (2, 3):
            assert (await saved(tree, asks.format(f"shop {number}"))).outcome == "published"
            assert await server.answer() == f"shop {number}"

    served(tree, asks.format("shop 1"), story)


def test_the_thread_that_asks_for_an_update_keeps_what_it_has_set_since(
    tree: LiveTree, outside: ModuleType
) -> None:
    sets = "import outside\noutside.here.name = '{}'\n"
    tree.write({"conf.py": sets.format("shop 1"), "tax.py": "RATE = 1"})
    tree.install()
    here = vars(outside)["here"]
    tree.module("conf")
    tree.module("tax")
    tree.published({"conf.py": sets.format("shop 2")})
    assert here.name == "shop 2"
    here.name = "of a request"
    tree.published({"tax.py": "RATE = 2"})
    assert here.name == "of a request"


def test_a_module_that_runs_in_the_servers_thread_leaves_other_values_there(tree: LiveTree) -> None:
    in_main = "__thread__ = 'main'\n" + FOREIGN

    async def story(server: Server) -> None:
        here = tree.module("conf").HERE
        for number in (2, 3, 4):
            here.user = f"of request {number}"
            report = await saved(tree, in_main.format(f"shop {number}"))
            assert report.outcome == "published", report.traceback
            assert await server.answer() == f"shop {number}"
            assert here.user == f"of request {number}"

    served(tree, in_main.format("shop 1"), story)
