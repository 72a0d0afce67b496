"""A stream is one piece of work: its steps see the same context, and each runs where it belongs."""

from __future__ import annotations

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
