"""An RSGI request is a unit of work; each application is begun, and ended, once."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import Held, until

import transfuse
from conftest import CAP
from transfuse.servers.loop_call import LoopCall
from transfuse.updates import participants

if TYPE_CHECKING:
    from conftest import LiveTree

APP = """
import outside
PRICE = {0}
class App:
    def __rsgi_init__(self, loop):
        outside.ran.append(("init", PRICE))
        {1}
    def __rsgi_del__(self, loop):
        outside.ran.append(("del", PRICE))
        {2}
    async def __rsgi__(self, scope, protocol):
        await protocol.wait()
        from web import PRICE as late
        protocol.answer(PRICE, late)
app = App()
"""


SCOPE: Any = SimpleNamespace(proto="http", method="GET", path="/")


def source(price: int, init: str = "pass", end: str = "pass") -> str:
    return APP.format(price, init, end)


class Protocol:
    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.answers: tuple[int, ...] = ()

    async def wait(self) -> None:
        await self.go.wait()

    def answer(self, *prices: int) -> None:
        self.answers = prices


def test_requests_keep_their_generation_and_applications_are_begun_and_ended(
    tree: LiveTree, outside: Any
) -> None:
    tree.write({"web.py": source(1)})
    tree.install()

    async def story() -> list[tuple[int, ...]]:
        application: Any = transfuse.rsgi("web:app")
        loop = asyncio.get_running_loop()
        application.__rsgi_init__(loop)
        old, new = Protocol(), Protocol()
        first = asyncio.ensure_future(application.__rsgi__(SCOPE, old))
        await asyncio.sleep(0)
        await asyncio.to_thread(tree.published, {"web.py": source(2)})
        failing = source(3, "raise OSError('no disk')")
        report = await asyncio.to_thread(tree.update, {"web.py": failing})
        assert (report.outcome, str(report.error)) == ("refused", "no disk")
        second = asyncio.ensure_future(application.__rsgi__(SCOPE, new))
        for protocol in (old, new):
            protocol.go.set()
        await asyncio.gather(first, second)
        application.__rsgi_del__(loop)
        return [old.answers, new.answers]

    assert asyncio.run(story()) == [(1, 1), (2, 2)]
    assert outside.ran == [
        ("init", 1),
        ("init", 2),
        ("init", 3),
        ("del", 3),
        # After its last request.
        ("del", 1),
        ("del", 2),
    ]


async def answer(application: Any) -> tuple[int, ...]:
    protocol = Protocol()
    protocol.go.set()
    await application.__rsgi__(SCOPE, protocol)
    return protocol.answers


def test_an_update_that_its_own_event_loop_waits_for_is_refused_and_says_what_to_do(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
) -> None:
    tree.write({"web.py": source(1)})
    tree.install(time_limit=2)

    async def story() -> None:
        application: Any = transfuse.rsgi("web:app")
        loop = asyncio.get_running_loop()
        application.__rsgi_init__(loop)
        report = tree.update({"web.py": source(2)})
        assert report.outcome == "refused"
        assert "asyncio.to_thread(transfuse.update)" in str(report.error)
        assert await answer(application) == (1, 1)
        application.__rsgi_del__(loop)

    asyncio.run(story())


@pytest.mark.parametrize("error", ["SystemExit(3)", "OSError('no disk')"])
def test_whatever_an_old_application_raises_at_its_end_is_logged_and_the_server_goes_on(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
    caplog: pytest.LogCaptureFixture,
    error: str,
) -> None:
    tree.write({"web.py": source(1, end=f"raise {error}")})
    tree.install()

    async def story() -> None:
        application: Any = transfuse.rsgi("web:app")
        loop = asyncio.get_running_loop()
        application.__rsgi_init__(loop)
        await asyncio.to_thread(tree.published, {"web.py": source(2)})
        await until(lambda: "__rsgi_del__ of an application failed" in caplog.text)
        assert await answer(application) == (2, 2)
        application.__rsgi_del__(loop)

    asyncio.run(story())


def test_p4_what_begins_after_the_time_limit_is_ended(tree: LiveTree, outside: Any) -> None:
    outside.go = threading.Event()
    tree.write({"web.py": source(1)})
    tree.install(time_limit=0.2)

    def update() -> None:
        report = tree.update({"web.py": source(2, f"outside.go.wait({CAP})")})
        outside.go.set()
        assert "time_limit (0.2 s)" in str(report.error)

    async def story() -> None:
        application: Any = transfuse.rsgi("web:app")
        loop = asyncio.get_running_loop()
        application.__rsgi_init__(loop)
        await asyncio.to_thread(update)
        await until(lambda: ("del", 2) in outside.ran)
        assert await answer(application) == (1, 1)
        application.__rsgi_del__(loop)

    asyncio.run(story())
    assert outside.ran == [("init", 1), ("init", 2), ("del", 2), ("del", 1)]


def test_an_update_during_the_first_startup_begins_its_own_application(
    tree: LiveTree, outside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.go, outside.here = threading.Event(), threading.Event()
    send = LoopCall.send

    def sending(errand: LoopCall[Any], *arguments: Any) -> None:
        send(errand, *arguments)
        outside.go.set()

    monkeypatch.setattr(LoopCall, "send", sending)
    tree.write({"web.py": source(1, f"outside.here.set(); assert outside.go.wait({CAP})")})
    tree.install()

    def update() -> None:
        assert outside.here.wait(CAP)
        tree.published({"web.py": source(2)})

    # As Granian does it: the loop is not running yet.
    loop = asyncio.new_event_loop()
    application: Any = transfuse.rsgi("web:app")
    updating = threading.Thread(target=update)
    updating.start()
    application.__rsgi_init__(loop)
    loop.run_until_complete(until(lambda: ("del", 1) in outside.ran))
    updating.join(CAP)
    assert loop.run_until_complete(answer(application)) == (2, 2)
    application.__rsgi_del__(loop)
    loop.close()
    assert outside.ran == [("init", 1), ("init", 2), ("del", 1), ("del", 2)]


def test_a_server_that_starts_during_an_update_begins_what_is_current_then(
    tree: LiveTree, outside: Any
) -> None:
    tree.write({"web.py": source(1)})
    tree.install()
    application: Any = transfuse.rsgi("web:app")
    held = Held()
    participants.register(held)
    updating = threading.Thread(target=tree.published, args=[{"web.py": source(2)}])
    updating.start()
    assert held.here.wait(CAP)
    loop, main = asyncio.new_event_loop(), threading.get_ident()

    def let_go() -> None:
        asyncio.run(until(lambda: participants.waits_for_update(main) or bool(outside.ran)))
        held.go.set()

    letting_go = threading.Thread(target=let_go)
    letting_go.start()
    application.__rsgi_init__(loop)
    letting_go.join(CAP)
    updating.join(CAP)
    application.__rsgi_del__(loop)
    loop.close()
    assert outside.ran == [("init", 2), ("del", 2)]
