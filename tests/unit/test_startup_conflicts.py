"""The next startup meets what the running application has started, in a module that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgi_server import APP, Server, served, updated

from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

JOBS = """
class Scheduler:
    running = False
    def start(self):
        if self.running:
            raise RuntimeError("is running already")
        self.running = True
    def shutdown(self):
        self.running = False

scheduler = Scheduler()
"""
# How the startup gets at it.
WAYS = {
    "a name": ("from shop.jobs import scheduler", "scheduler"),
    "a module": ("from shop import jobs", "jobs.scheduler"),
    "a name of another": ("from shop.tasks import scheduler as at_work", "at_work"),
}


def _app(way: str) -> str:
    statement, scheduler = WAYS[way]
    app = APP.replace("from shop import prices", f"from shop import prices\n{statement}")
    app = app.replace("    pass\n", f"    {scheduler}.start()\n")
    return app.replace("    ...\n", f"    {scheduler}.shutdown()\n")


def _files(way: str) -> dict[str, str]:
    tasks = "from shop.jobs import scheduler\n"
    return {"shop/jobs.py": JOBS, "shop/tasks.py": tasks, "shop/web.py": _app(way)}


@pytest.mark.parametrize("way", WAYS)
def test_p5_a_scheduler_that_the_running_application_started_is_made_anew(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
    way: str,
) -> None:
    expected = {"shop.prices", "shop.jobs", "shop.web"}
    if way == "a name of another":
        expected.add("shop.tasks")

    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/prices.py": "PRICE = 2"})
        assert report.outcome == "published", report
        assert set(ran(report)) == expected
        assert await server.answer() == ("answer", 2, 2)
        # Known by now: one attempt is enough.
        report = await updated(tree, {"shop/prices.py": "PRICE = 3"})
        assert set(ran(report)) == expected
        assert await server.answer() == ("answer", 3, 3)

    tree.write(_files(way))
    served(tree, story, _app(way))


def test_p4_a_startup_that_fails_of_itself_is_refused_with_its_own_error_and_plan(
    tree: LiveTree,
    outside: Any,  # noqa: ARG001
) -> None:
    failing = _app("a name").replace("    scheduler.start()\n", "    scheduler.begin()\n")

    async def story(server: Server) -> None:
        report = await updated(tree, {"shop/web.py": failing})
        assert report.outcome == "refused"
        assert "begin" in str(report.error)
        assert await server.answer() == ("answer", 1, 1)

    tree.write(_files("a name"))
    served(tree, story, _app("a name"))
