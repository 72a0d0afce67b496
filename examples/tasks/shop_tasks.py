"""Celery: tasks as one writes them anyway, and one line that makes them live.

    cd examples/tasks
    transfuse run --root . -m celery -A shop_tasks worker
    python send.py tea milk

Edit `total` while the worker runs: the next message is dealt with by the new code.
"""

from __future__ import annotations

import os

from celery import Celery

app = Celery(
    "shop_tasks",
    broker=os.environ.get("BROKER", "redis://127.0.0.1/0"),
    backend=os.environ.get("BACKEND", "redis://127.0.0.1/1"),
    # Each execution is a unit of work, on the code that is current when it begins.
    task_cls="transfuse.frameworks.celery:Task",
)


def price(name: str) -> int:
    """Return the price of something."""
    return len(name)


@app.task
def total(names: list[str]) -> int:
    """Return what all of it costs."""
    return sum(price(name) for name in names)
