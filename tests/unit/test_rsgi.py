"""An RSGI request is a unit of work; each application is begun, and ended, once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import transfuse

if TYPE_CHECKING:
    from conftest import Tree

APP = """
import outside
PRICE = {0}
class App:
    def __rsgi_init__(self, loop):
        outside.ran.append(("init", PRICE))
        {1}
    def __rsgi_del__(self, loop):
        outside.ran.append(("del", PRICE))
    async def __rsgi__(self, scope, protocol):
        await protocol.wait()
        from web import PRICE as late
        protocol.answer(PRICE, late)
app = App()
"""


def source(price: int, init: str = "pass") -> str:
    return APP.format(price, init)


class Protocol:
    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.answers: tuple[int, ...] = ()

    async def wait(self) -> None:
        await self.go.wait()

    def answer(self, *prices: int) -> None:
        self.answers = prices


def test_requests_keep_their_generation_and_applications_are_begun_and_ended(
    tree: Tree, outside: Any
) -> None:
    tree.write({"web.py": source(1)})
    tree.install()
    scope: Any = SimpleNamespace(proto="http", method="GET", path="/")

    async def story() -> list[tuple[int, ...]]:
        application: Any = transfuse.rsgi("web:app")
        loop = asyncio.get_running_loop()
        application.__rsgi_init__(loop)
        old, new = Protocol(), Protocol()
        first = asyncio.ensure_future(application.__rsgi__(scope, old))
        await asyncio.sleep(0)
        await asyncio.to_thread(tree.published, {"web.py": source(2)})
        failing = source(3, "raise OSError('no disk')")
        report = await asyncio.to_thread(tree.update, {"web.py": failing})
        assert (report.outcome, str(report.error)) == ("refused", "no disk")
        second = asyncio.ensure_future(application.__rsgi__(scope, new))
        for protocol in (old, new):
            protocol.go.set()
        await asyncio.gather(first, second)
        application.__rsgi_del__(loop)
        return [old.answers, new.answers]

    assert asyncio.run(story()) == [(1, 1), (2, 2)]
    assert outside.ran == [
        ("init", 1),
        ("init", 2),
        ("del", 1),
        ("init", 3),
        ("del", 3),
        ("del", 2),
    ]
