"""An exception of a page ends its request and nothing else, even `sys.exit()`."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest

import publishing_site
from conftest import CAP
from publishing_site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

site = publishing_site.site

PAGE = """
    import asyncio, builtins, sys
    def leaves(): sys.exit(3)
    async def leaves_async(): sys.exit(3)
    async def leaves_later():
        await asyncio.sleep(0)
        sys.exit(3)
    def generator(): raise GeneratorExit
    async def generator_async(): raise GeneratorExit
    def cancelled(): raise asyncio.CancelledError
    async def cancelled_async(): raise asyncio.CancelledError
    async def cancels():
        task = asyncio.ensure_future(asyncio.Event().wait())
        task.cancel()
        await task
    async def cancels_itself():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
    def early():
        sys.exit(3)
        yield "a"
    async def early_async():
        sys.exit(3)
        yield "a"
    async def early_cancelled():
        raise asyncio.CancelledError
        yield "a"
    async def early_cancels_itself():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
        yield "a"
    class Iterator:
        def __iter__(self): sys.exit(3)
    def iterates(): return Iterator()
    class Asynchronous:
        def __aiter__(self): sys.exit(3)
    def iterates_async(): return Asynchronous()
    class Guarded:
        def __access__(self, request, user): sys.exit(3)
        def index(self): return "in"
    guarded = Guarded()
    class Made:
        __publish__ = True
        def __init__(self): sys.exit(3)
        def index(self): return "in"
    class Asked:
        @property
        def __access__(self): sys.exit(3)
        def index(self): return "in"
    asked = Asked()
    class Abort(BaseException): pass
    def aborts(): raise Abort("x")
    async def aborts_async(): raise Abort("x")
    async def aborts_group():
        error = getattr(builtins, "BaseExceptionGroup", Abort)
        raise error("x", [Abort("y")])
    def aborts_early():
        raise Abort("x")
        yield "a"
    async def aborts_early_async():
        raise Abort("x")
        yield "a"
    class Guard:
        def __init__(self, error): self.error = error
        @property
        def __access__(self): raise self.error
        def index(self): return "in"
    aborts_guard = Guard(Abort("x"))
    cancels_guard = Guard(asyncio.CancelledError())
    generator_guard = Guard(GeneratorExit())
    class Realm:
        def __str__(self): raise asyncio.CancelledError
    def cancels_realm(): return "in"
    cancels_realm.__auth_realm__ = Realm()
    def after(): return "after"
    """
STRAYING = ["leaves", "leaves_async", "leaves_later", "generator", "generator_async", "cancelled",
            "cancelled_async", "cancels", "cancels_itself", "early", "early_async",
            "early_cancelled", "early_cancels_itself", "iterates", "iterates_async", "guarded",
            "Made", "asked", "aborts", "aborts_async", "aborts_group", "aborts_early",
            "aborts_early_async", "aborts_guard", "cancels_guard", "generator_guard",
            "cancels_realm"]  # fmt: skip


@pytest.mark.parametrize("name", STRAYING)
def test_what_would_end_the_server_is_a_500_that_is_logged(
    site: Site, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.publish({"index.py": PAGE})
    assert site.get(f"/{name}").status == 500
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.name == "transfuse.publisher"
    assert "index.py" in caplog.text
    assert site.get("/after").text == "after"


def test_a_page_that_leaves_while_it_is_imported_is_a_500(site: Site) -> None:
    site.publish({"page.py": "import sys\nsys.exit(3)\ndef show(): ...", "shop/__init__.py":
                  "import sys\nsys.exit(3)", "shop/page.py": "def show(): ..."})  # fmt: skip
    assert [500, 500] * 2 == [
        site.get(path).status for path in ("/page/show", "/shop/page/show") * 2
    ]


LATE = """
    import asyncio, sys
    def exits():
        yield "a"
        sys.exit(3)
    async def exits_async():
        yield "a"
        sys.exit(3)
    async def cancelled():
        yield "a"
        raise asyncio.CancelledError
    class Abort(BaseException): pass
    def aborts():
        yield "a"
        raise Abort
    async def aborts_async():
        yield "a"
        raise Abort
    def at_the_end():
        try: yield "a"
        finally: sys.exit(3)
    async def at_the_end_async():
        try: yield "a"
        finally: sys.exit(3)
    async def between():
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        yield "a"
        yield "b"
    """


@pytest.mark.parametrize("name", ["exits", "exits_async", "cancelled", "at_the_end",
                                  "at_the_end_async", "aborts", "aborts_async"])  # fmt: skip
def test_in_the_middle_of_a_stream_it_is_an_error_as_any_other(site: Site, name: str) -> None:
    site.publish({"index.py": LATE})
    with pytest.raises(RuntimeError, match="the page raised"):
        site.get(f"/{name}")


def test_a_stream_whose_page_cancels_it_between_two_steps_has_ended(site: Site) -> None:
    site.publish({"index.py": LATE})
    with pytest.raises(RuntimeError, match="the page"):
        site.get("/between")


@pytest.mark.parametrize("name", ["at_the_end", "at_the_end_async"])
def test_what_is_raised_at_the_end_of_a_stream_that_nobody_wants_is_logged(
    site: Site, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.publish({"index.py": LATE})
    reply = site.get(f"/{name}", method="HEAD")
    assert (200, b"") == (reply.status, reply.body)
    assert "index.py" in caplog.text


def cancel_when(site: Site, path: str, begun: Callable[[], bool]) -> list[Any]:
    """Ask by ASGI, and cancel the request once it has begun; what was sent."""
    sent: list[Any] = []

    async def talk() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        asking = asyncio.ensure_future(site.application(scope, receive, send))
        while not begun():
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(asking), CAP)
        assert asking.cancelled()

    asyncio.run(talk())
    return sent


def test_a_request_that_is_cancelled_stays_cancelled_and_lasts_until_its_function_has_ended(
    site: Site,
) -> None:
    site.publish({
        "index.py": """
            import asyncio, threading
            said = []
            released = threading.Event()
            async def coroutine():
                said.append("begun")
                try: await asyncio.Event().wait()
                finally: said.append("ended")
            async def stubborn():
                said.append("begun")
                try: await asyncio.Event().wait()
                except asyncio.CancelledError: pass
                said.append("ended")
                return "not told"
            async def stream():
                said.append("begun")
                try:
                    await asyncio.Event().wait()
                    yield "a"
                finally: said.append("ended")
            def thread():
                said.append("begun")
                threading.Timer(0.01, released.set).start()
                released.wait()
                said.append("ended")
            """
    })  # fmt: skip
    site.get("/nothing")
    said = site.tree.module("index").said
    for name in ("coroutine", "stubborn", "stream", "thread"):
        said.clear()
        assert [] == cancel_when(site, f"/{name}", lambda: said == ["begun"])
        assert said == ["begun", "ended"]


def test_a_stream_that_is_cancelled_again_and_again_keeps_its_request_until_it_has_ended(
    site: Site,
) -> None:
    site.publish({
        "index.py": """
            import asyncio
            said, go = [], []
            async def index():
                go.append(asyncio.Event())
                try:
                    yield "a"
                    said.append("begun")
                    await asyncio.Event().wait()
                finally:
                    said.append("ending")
                    await go[0].wait()
                    said.append("ended")
            """
    })  # fmt: skip
    site.get("/nothing")
    module = site.tree.module("index")

    async def talk() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None: ...

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        asking = asyncio.ensure_future(site.application(scope, receive, send))
        while module.said != ["begun"]:
            await asyncio.sleep(0)
        asking.cancel()
        while module.said != ["begun", "ending"]:
            await asyncio.sleep(0)
        for _ in range(20):
            asking.cancel()
            await asyncio.sleep(0)
        assert not asking.done()
        module.go[0].set()
        await asyncio.wait([asking], timeout=CAP)
        assert asking.cancelled()
        assert module.said == ["begun", "ending", "ended"]

    asyncio.run(talk())


def test_what_the_server_raises_while_it_waits_for_the_end_of_a_visit_is_the_servers(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.publish({
        "index.py": """
            import asyncio
            async def index():
                yield "a"
                await asyncio.Event().wait()
            """
    })  # fmt: skip

    async def talk() -> None:
        async def receive() -> dict[str, Any]:
            raise OSError("the server's")

        async def send(message: dict[str, Any]) -> None: ...

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await asyncio.wait_for(site.application(scope, receive, send), CAP)

    with pytest.raises(OSError, match="the server's"):
        asyncio.run(talk())
    gc.collect()
    assert "never retrieved" not in caplog.text
