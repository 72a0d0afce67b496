"""Tasks that a page leaves running under WSGI end with the request, and with no other effect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from visitor import ask_wsgi

if TYPE_CHECKING:
    from conftest import LiveTree

PAGE = """
    import asyncio, sys
    said = []
    async def leave(number, error):
        try: await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            said.append(number)
            if error is not None: raise error
            raise
    class Abort(BaseException): pass
    async def start(*errors):
        for number, error in enumerate(errors): asyncio.ensure_future(leave(number, error))
        await asyncio.sleep(0)
    async def exits():
        await start(SystemExit(3), None, SystemExit(4), None)
        return "ok"
    async def raises():
        await start(ValueError("a"), Abort("b"))
        return "ok"
    async def quiet():
        await start(None)
        return "ok"
    async def stream():
        await start(SystemExit(3))
        yield "ok"
    async def generator():
        try: yield
        finally: sys.exit(3)
    async def generators():
        sys.kept = generator()
        await sys.kept.__anext__()
        return "ok"
    async def calls():
        async def later():
            try: await asyncio.Event().wait()
            finally: asyncio.get_running_loop().call_soon(sys.exit, 3)
        asyncio.ensure_future(later())
        await start(None)
        return "ok"
    async def stops():
        async def later():
            try: await asyncio.Event().wait()
            finally: asyncio.get_running_loop().stop()
        asyncio.ensure_future(later())
        await start(None)
        return "ok"
    async def interrupts():
        await start(KeyboardInterrupt())
    """


@pytest.fixture
def application(tree: LiveTree) -> Any:
    tree.write({"index.py": PAGE})
    tree.install()
    return transfuse.publisher(tree.root)


@pytest.mark.parametrize(
    ("name", "logged"),
    [("exits", ["SystemExit: 3", "SystemExit: 4"]), ("raises", ["ValueError: a", "Abort: b"]),
     ("quiet", []), ("stream", ["SystemExit: 3"]), ("generators", ["SystemExit: 3"]),
     ("calls", ["SystemExit: 3"]), ("stops", ["stopped before"])],
)  # fmt: skip
def test_the_answer_stands_and_what_is_raised_is_logged(
    application: Any, name: str, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert ask_wsgi(application, f"/{name}").text == "ok"
    told = [each for each in caplog.records if each.name == "transfuse.publisher"]
    assert len(told) == len(logged)
    assert {logging.ERROR} >= {each.levelno for each in told}
    assert [] == [each for each in logged if each not in caplog.text]


def test_who_is_left_behind_ends_though_another_has_left_the_loop(
    application: Any, tree: LiveTree
) -> None:
    assert ask_wsgi(application, "/exits").text == "ok"
    assert sorted(tree.module("index").said) == [0, 1, 2, 3]


def test_a_key_that_was_pressed_is_for_the_server(application: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask_wsgi(application, "/interrupts")
