"""What modules of an update set in their thread is there in the server's."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextvars import ContextVar, copy_context
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import Server, serve_story

import transfuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import LiveTree

APP = """
    import asyncio
    import tenant

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["startup"] = tenant.go()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        await asyncio.sleep(0)
        await send((tenant.go(), scope["state"]["startup"]))
    """
KINDS = {
    "a context variable": """
        from contextvars import ContextVar
        name = ContextVar("name")
        name.set("shop {}")
        def go(): return name.get()
        """,
    "a value of a thread": """
        import threading
        here = threading.local()
        here.name = "shop {}"
        def go(): return here.name
        """,
    "a value of an own class": """
        import threading
        class Here(threading.local):
            def __init__(self):
                self.names = []
        here = Here()
        here.name = "shop {}"
        def go(): return here.names == [] and here.name
        """,
    "a value of an object": """
        import threading
        class Session:
            _here = threading.local()
            def __init__(self):
                self.here = threading.local()
        session = Session()
        session._here.name = session.here.name = "shop {}"
        def go(): return session._here.name == session.here.name and session.here.name
        """,
    "the precision": """
        import decimal
        decimal.getcontext().prec = {} + 3
        def go(): return decimal.getcontext().prec
        """,
    "the event loop": """
        import asyncio
        loop = asyncio.get_event_loop()
        def go(): return {}, loop is asyncio.get_running_loop()
        """,
}
WANTED: dict[str, Callable[[int], Any]] = {
    "a context variable": lambda number: f"shop {number}",
    "a value of a thread": lambda number: f"shop {number}",
    "a value of an own class": lambda number: f"shop {number}",
    "a value of an object": lambda number: f"shop {number}",
    "the precision": lambda number: number + 3,
    "the event loop": lambda number: (number, True),
}


def served(tree: LiveTree, tenant: str, story: Callable[[Server], Awaitable[None]]) -> None:
    tree.write({"web.py": APP, "tenant.py": tenant})
    serve_story(tree, story)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_find_what_module_level_code_has_set(tree: LiveTree, kind: str) -> None:
    source, wanted = KINDS[kind], WANTED[kind]

    async def story(server: Server) -> None:
        assert await server.answer() == (wanted(1), wanted(1))
        for number in (2, 3):
            report = await asyncio.to_thread(tree.update, {"tenant.py": source.format(number)})
            assert report.outcome == "published", report.traceback
            assert (await server.answer())[0] == wanted(number)

    served(tree, source.format(1), story)


def test_a_value_stays_while_other_modules_are_updated(tree: LiveTree) -> None:
    source = KINDS["a context variable"]

    async def story(server: Server) -> None:
        await asyncio.to_thread(tree.published, {"tenant.py": source.format(2)})
        await asyncio.to_thread(tree.published, {"web.py": APP + "\n    EDITION = 2\n"})
        assert (await server.answer())[0] == "shop 2"

    served(tree, source.format(1), story)


def test_a_refused_update_sets_nothing(tree: LiveTree) -> None:
    outside = """
        import decimal
        decimal.getcontext().prec = {}
        def go(): return decimal.getcontext().prec
        {}
        """

    async def story(server: Server) -> None:
        report = await asyncio.to_thread(tree.update, {"tenant.py": outside.format(20, "1 / 0")})
        assert report.outcome == "refused"
        assert (await server.answer())[0] == 9

    served(tree, outside.format(9, ""), story)


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.parametrize(
    ("connect", "outcome"),
    [
        ("db = sqlite3.connect(':memory:')", "refused"),
        ("db = sqlite3.connect(':memory:', check_same_thread=False)", "published"),
        ("sqlite3.connect(':memory:').close()", "published"),
        # Nothing keeps these two, but a cycle of references: a connection's cache refers to it.
        ("with sqlite3.connect(':memory:') as db: db.execute('select 1')\ndel db", "published"),
        ("part = [sqlite3.connect(':memory:')]\npart.append(part)\ndel part", "published"),
        ("part = [sqlite3.connect(':memory:')]\npart.append(part)", "refused"),
    ],
)
def test_a_connection_that_is_bound_to_the_updating_thread_refuses(
    tree: LiveTree, connect: str, outcome: str
) -> None:
    tree.write({"store.py": "VALUE = 1"})
    tree.install()
    tree.module("store")
    report = tree.update({"store.py": f"import sqlite3\n{connect}\n"})
    assert report.outcome == outcome
    if (kept := getattr(tree.module("store"), "db", None)) is not None:
        kept.close()
    if outcome == "refused":
        assert "store keeps a connection to SQLite" in str(report.error)
        assert "check_same_thread=False" in str(report.error)
    # That of refused code is closed as it is freed.
    del report
    tree.reports.clear()
    gc.collect()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"the event loop"}))
def test_the_main_thread_that_asks_for_an_update_finds_it(tree: LiveTree, kind: str) -> None:
    source, wanted = KINDS[kind], WANTED[kind]
    tree.write({"tenant.py": source.format(1)})

    def story() -> None:
        tree.install()
        assert tree.module("tenant").go() == wanted(1)
        for number in (2, 3):
            tree.published({"tenant.py": source.format(number)})
            assert tree.module("tenant").go() == wanted(number)

    copy_context().run(story)


def test_p2_a_pinned_unit_of_work_keeps_what_its_generation_has_set(tree: LiveTree) -> None:
    source = KINDS["a context variable"].replace('ContextVar("name")', "outside.name")
    source = source.replace("from contextvars import ContextVar", "import outside")
    sys.modules["outside"] = outside = ModuleType("outside")
    vars(outside)["name"] = ContextVar("name")
    tree.write({"tenant.py": source.format(1)})

    def story() -> None:
        tree.install()
        tree.module("tenant")
        with transfuse.pin():
            tree.published({"tenant.py": source.format(2)})
            assert tree.module("tenant").go() == "shop 1"
        assert tree.update().outcome == "unchanged"
        assert tree.module("tenant").go() == "shop 2"

    try:
        copy_context().run(story)
    finally:
        del sys.modules["outside"]
