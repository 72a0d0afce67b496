"""Celery: a real worker runs the current code of a task, in each kind of pool.

The broker is a file of SQLite's, so that nothing has to be installed or listen anywhere.
"""

from __future__ import annotations

import contextlib
import textwrap
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from program import Program, example

from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.servers,
    # The broker's and the results' tables are declared by kombu and Celery.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]

# Celery looks into a queue in SQLite every five seconds unless it is told otherwise.
QUICK = """
        from kombu.transport.sqlalchemy import Transport

        Transport.polling_interval = 0.02
        """
# The tasks of a shop; `shared` as in an application that others use with an app of their own.
SHOP = {
    "shop/__init__.py": "",
    "shop/app.py": """
        import os
        from celery import Celery

        app = Celery(
            "shop",
            broker=os.environ["BROKER"],
            backend=os.environ["BACKEND"],
            task_cls="transfuse.frameworks.celery:Task",
            include=["shop.tasks"],
        )
        """
    + QUICK,
    "shop/prices.py": "def price(name): return len(name)",
    "shop/tasks.py": """
        from celery import shared_task
        from shop.app import app
        from shop.prices import price

        class Unlucky(Exception):
            pass

        @app.task
        def total(names):
            return sum(price(name) for name in names)

        @shared_task
        def shared(name):
            return price(name)

        @app.task(bind=True)
        def thrice(self):
            if self.request.retries < 2:
                raise self.retry(countdown=0)
            return [self.request.retries, price("tea")]

        @app.task(bind=True, autoretry_for=[Unlucky], retry_kwargs={"countdown": 0})
        def lucky(self):
            if self.request.retries < 1:
                raise Unlucky
            return [self.request.retries, price("tea")]
        """,
}
POOLS = ["solo", "threads", "prefork"]


class Shop:
    """A worker, and how to ask it.

    Args:
        folder: its root.
        app: where Celery finds the application, such as ``"shop.app"``.
        pool: the kind of pool.
    """

    def __init__(self, folder: Path, app: str, pool: str) -> None:
        # Celery warns of its own modules while it is imported.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from celery import Celery  # noqa: PLC0415
            from kombu.transport.sqlalchemy import Transport  # noqa: PLC0415
        place = folder.parent
        broker, backend = f"sqla+sqlite:///{place}/asked.db", f"db+sqlite:///{place}/answered.db"
        self.client = Celery("client", broker=broker, backend=backend)
        Transport.polling_interval = 0.02
        words = f"-m celery -A {app} worker --pool {pool} --concurrency 2 --loglevel INFO"
        quiet = "--without-mingle --without-gossip --without-heartbeat"
        self.program = Program(
            folder, f"{words} {quiet}".split(), BROKER=broker, BACKEND=backend, C_FORCE_ROOT="1"
        )
        self.program.hear("ready.", cap=60)

    def ask(self, task: str, *arguments: Any) -> Any:
        """Return the result of a task, or raise its error."""
        return self.client.send_task(task, arguments).get(timeout=CAP, interval=0.02)

    def becomes(self, expected: Any, task: str, *arguments: Any) -> None:
        """Ask until all say so: each process of a pool hears of an edit by itself."""
        deadline = time.monotonic() + CAP
        found = None
        in_a_row = 0
        while time.monotonic() < deadline:
            try:
                found = self.ask(task, *arguments)
            except TypeError as error:
                # In a pool of threads the next try may be over before Celery notes that there is
                # one: then its row is of both, and cannot be read.
                found, in_a_row = error, 0
                continue
            in_a_row = in_a_row + 1 if found == expected else 0
            if in_a_row == 6:
                return
        said = "\n".join(self.program.said())
        raise AssertionError(f"waited {CAP} s for {expected}; {task} answers {found}:\n{said}")

    def close(self) -> None:
        self.client.close()
        self.program.end()


@pytest.fixture(params=["solo", "threads", "prefork"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "app"
    for name, text in SHOP.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    with contextlib.closing(Shop(folder, "shop.app", request.param)) as shop:
        yield shop


def test_a_worker_runs_the_current_code_of_a_task(shop: Shop) -> None:
    assert shop.ask("shop.tasks.total", ["tea", "milk"]) == 7
    assert shop.ask("shop.tasks.shared", "tea") == 3
    shop.program.edit("shop/prices.py", "len(name)", "10 * len(name)")
    shop.becomes(70, "shop.tasks.total", ["tea", "milk"])
    shop.becomes(30, "shop.tasks.shared", "tea")
    shop.program.edit("shop/tasks.py", "return sum(", "return 7000 + sum(")
    shop.becomes(7070, "shop.tasks.total", ["tea", "milk"])
    # Tasks that read their request, and tasks that are retried.
    shop.becomes([2, 30], "shop.tasks.thrice")
    shop.becomes([1, 30], "shop.tasks.lucky")
    # A broken edit changes nothing.
    shop.program.edit("shop/tasks.py", "def total(names)", "def total(names")
    shop.program.hear("refused", "shop/tasks.py")
    assert shop.ask("shop.tasks.total", ["tea", "milk"]) == 7070
    shop.program.edit("shop/tasks.py", "def total(names", "def total(names)")
    # A task that is gone is refused, and does not run its old code.
    shop.program.edit("shop/tasks.py", "def total(names)", "def sum_of(names)")
    with pytest.raises(Exception, match=r"shop\.tasks\.total"):
        shop.becomes(None, "shop.tasks.total", ["tea"])


def test_the_example(tmp_path: Path) -> None:
    folder = example("tasks", tmp_path)
    path = folder / "shop_tasks.py"
    path.write_text(path.read_text(encoding="utf-8") + textwrap.dedent(QUICK), encoding="utf-8")
    with contextlib.closing(Shop(folder, "shop_tasks", "threads")) as shop:
        assert shop.ask("shop_tasks.total", ["tea", "milk"]) == 7
        shop.program.edit("shop_tasks.py", "return len(name)", "return 10 * len(name)")
        shop.becomes(70, "shop_tasks.total", ["tea", "milk"])
