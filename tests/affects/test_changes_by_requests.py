"""What requests change while an update runs is not blamed on the modules that it runs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from conftest import LiveTree, ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METRICS = """
    COUNT = {}
    class Totals:
        requests = 0
    TOTALS = Totals()
    def hit(path):
        COUNT[path] = COUNT.get(path, 0) + 1
        TOTALS.requests += 1
    def timed(function):
        return function
    """
# It ends when requests have come meanwhile.
VIEWS = """
    import time, conf, metrics
    @metrics.timed
    def view():
        metrics.hit("/")
        return EDITION
    EDITION = {edition}
    if conf.COUNTS:
        metrics.COUNT["views"] = EDITION
    elif EDITION > 1:
        before, end = metrics.COUNT["/"], time.monotonic() + 20
        while metrics.COUNT["/"] == before and time.monotonic() < end:
            time.sleep(0.001)
    """


@contextmanager
def requests(view: Callable[[], int]) -> Iterator[None]:
    """Make requests in a thread."""
    over = threading.Event()

    def ask() -> None:
        # As long as a client needs, so that the thread that updates gets on.
        while not over.wait(0.001):
            view()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    web = "import views\ndef ask(): return views.view()\n"
    tree.write({"metrics.py": METRICS, "conf.py": "COUNTS = False", "web.py": web})
    tree.write({"views.py": VIEWS.format(edition=1)})
    tree.install()
    tree.module("web").ask()
    return tree


def test_p7_counters_of_requests_stay(shop: LiveTree) -> None:
    metrics = shop.module("metrics")
    with requests(shop.module("web").ask):
        for edition in (2, 3, 4):
            before = metrics.COUNT["/"]
            report = shop.published({"views.py": VIEWS.format(edition=edition)})
            assert (ran(report), metrics.COUNT["/"] > before) == (["views", "web"], True)
    assert metrics.TOTALS.requests == metrics.COUNT["/"]


def test_p12_an_event_loop_that_a_module_has(tree: LiveTree) -> None:
    tree.write(
        {
            "tasks.py": "LOOPS = {}\ndef spawn(function): return function\n",
            "views.py": "import tasks\n@tasks.spawn\ndef view(): return 1\n",
        }
    )
    tree.install()
    tree.module("views")

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        tree.module("tasks").LOOPS["server"] = loop
        ticking = loop.create_task(tick())
        for edition in (2, 3):
            edited = f"import tasks\n@tasks.spawn\ndef view(): return {edition}\n"
            report = await asyncio.to_thread(tree.published, {"views.py": edited})
            assert ran(report) == ["views"]
        ticking.cancel()

    async def tick() -> None:
        while True:
            await asyncio.sleep(0)

    asyncio.run(serve())


def test_p5_what_a_module_changes_beside_them_is_an_effect(shop: LiveTree) -> None:
    with requests(shop.module("web").ask):
        shop.published({"views.py": VIEWS.format(edition=2)})
        report = shop.published({"conf.py": "COUNTS = True"})
    assert sorted(ran(report)) == ["conf", "metrics", "views", "web"]
    assert shop.module("metrics").COUNT["views"] == 2
