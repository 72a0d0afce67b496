"""A stream is one piece of work: its steps see the same context, and each runs where it belongs."""

from __future__ import annotations

import asyncio
import sys

import pytest

import publishing_site
from publishing_site import Site

site = publishing_site.site

PAGE = """
    import asyncio, contextvars, threading
    var = contextvars.ContextVar("var", default="unset")
    said = []
    def ordinary():
        token = var.set("set")
        try:
            yield "a"
            yield var.get()
        finally:
            var.reset(token)
            said.append(var.get())
    async def asynchronous():
        token = var.set("set")
        try:
            yield "a"
            await asyncio.sleep(0)
            yield var.get()
        finally:
            var.reset(token)
            said.append(var.get())
    async def tasks():
        first = asyncio.current_task()
        yield "a"
        yield str(asyncio.current_task() is first)
        try: yield "b"
        finally: said.append(asyncio.current_task() is first)
    async def timed():
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0))
            yield "a"
            await task
            yield "b"
    class Lines:
        def __iter__(self):
            said.append(threading.current_thread().name)
            return iter(["a", "b"])
    def lines(): return Lines()
    def where(): return threading.current_thread().name
    def told(): return [str(each) for each in said]
    """


@pytest.mark.parametrize("name", ["ordinary", "asynchronous"])
def test_what_a_stream_sets_in_its_context_it_finds_and_resets(site: Site, name: str) -> None:
    site.publish({"index.py": PAGE})
    assert site.get(f"/{name}").text == "aset"
    assert site.get("/told").text == "unset"
    assert site.get(f"/{name}", method="HEAD").status == 200
    assert site.get("/told").text == "unsetunset"


def test_an_asynchronous_stream_is_one_task_to_its_end(site: Site) -> None:
    site.publish({"index.py": PAGE})
    assert site.get("/tasks").text == "aTrueb"
    assert site.get("/told").text == "True"


if sys.version_info >= (3, 11):

    def test_a_timeout_and_a_group_of_tasks_stay_open_while_a_stream_is_taken(site: Site) -> None:
        site.publish({"index.py": PAGE})
        assert site.get("/timed").text == "ab"


CANCELLED = """
    import asyncio
    said = []
    def cancel_soon():
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
    def uncancel():
        getattr(asyncio.current_task(), "uncancel", int)()
    async def raises():
        cancel_soon()
        try: yield "a"
        except asyncio.CancelledError as error:
            uncancel()
            raise TimeoutError("late") from error
    async def goes_on():
        cancel_soon()
        try:
            yield "a"
            yield "not told"
        except asyncio.CancelledError: uncancel()
        yield "late"
        yield "b"
    async def returns():
        cancel_soon()
        try: yield "a"
        except asyncio.CancelledError: uncancel()
    async def keeps():
        cancel_soon()
        try: yield "a"
        except asyncio.CancelledError: pass
        try: yield "b"
        finally: said.append("closed")
    async def lets_through():
        cancel_soon()
        try: yield "a"
        finally: said.append("closed")
    class Letters:
        def __aiter__(self): return self
        async def __anext__(self):
            cancel_soon()
            return "a"
        async def aclose(self): said.append("closed")
    def no_generator(): return Letters()
    async def timed():
        async with asyncio.timeout(0): yield "a"
    async def timed_caught():
        try:
            async with asyncio.timeout(0):
                yield "a"
                yield "not told"
        except TimeoutError: yield "late"
    def told(): return [str(each) for each in said]
    """


@pytest.mark.parametrize(("name", "text"), [("goes_on", "alateb"), ("returns", "a")])
def test_a_page_that_is_cancelled_while_nobody_asks_learns_it_where_it_stands(
    site: Site, name: str, text: str
) -> None:
    site.publish({"index.py": CANCELLED})
    assert site.get(f"/{name}").text == text


def test_what_it_raises_then_is_heard_by_who_asks_next(site: Site) -> None:
    site.publish({"index.py": CANCELLED})
    with pytest.raises(TimeoutError, match="late"):
        site.get("/raises")
    # No client asks.
    assert site.get("/raises", method="HEAD").status == 200


@pytest.mark.parametrize("name", ["lets_through", "no_generator"])
def test_a_cancellation_that_goes_through_ends_the_stream_and_is_the_cause(
    site: Site, name: str
) -> None:
    site.publish({"index.py": CANCELLED})
    with pytest.raises(RuntimeError, match="the page") as caught:
        site.get(f"/{name}")
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert site.get("/told").text == "closed"


if sys.version_info >= (3, 11):

    def test_a_timeout_that_is_over_while_nobody_asks_is_one(site: Site) -> None:
        site.publish({"index.py": CANCELLED})
        with pytest.raises(TimeoutError):
            site.get("/timed")
        assert site.get("/timed_caught").text == "alate"

    def test_who_keeps_a_cancellation_to_itself_is_ended(site: Site) -> None:
        site.publish({"index.py": CANCELLED})
        with pytest.raises(RuntimeError, match="the page has cancelled its stream"):
            site.get("/keeps")
        assert site.get("/told").text == "closed"


def test_under_wsgi_a_stream_ends_though_the_server_takes_no_headers(site: Site) -> None:
    site.publish({"index.py": CANCELLED})

    def start_response(*_: object) -> None:
        raise OSError("the server's")

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/lets_through"}
    with pytest.raises(OSError, match="the server's"):
        site.application(environ, start_response)
    assert site.get("/told").text == "closed"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_p2_each_step_sees_the_generation_of_the_request(site: Site, kind: str) -> None:
    site.publish({
        "part.py": "value = 1",
        "index.py": f"""
            import transfuse
            {kind} index():
                for _ in range(3):
                    import part
                    yield str(part.value)
                    with open(part.__file__, "w") as file: file.write("value = 2")
                    transfuse.update()
            """,
    })  # fmt: skip
    assert site.get("/").text == "111"
    assert site.get("/").text == "222"


def test_an_iterator_is_asked_for_where_functions_run(site: Site) -> None:
    site.publish({"index.py": PAGE})
    by_asgi = "asyncio" in site.get("/where").text
    assert site.get("/lines").text == "ab"
    assert by_asgi == ("asyncio" in site.get("/told").text)
