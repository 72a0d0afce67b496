"""Does a Celery worker hold tasks that an update cannot reach?

It does if they are of Celery's own class: the worker goes on with the code that it began with, and
says nothing. So it is said here, after each update that concerns such a task.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from transfuse.config.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfuse.updates.reports import Report

_log = get_logger("transfuse")

_OURS = "transfuse.frameworks.celery"


def tell(report: Report) -> None:
    """Warn of the tasks that a worker keeps as they were; for `transfuse.on_update`."""
    if report.outcome == "refused" or "celery.apps.worker" not in sys.modules:
        return
    held = sorted({each.name for each in report.ran}.intersection(_modules_of_plain_tasks()))
    if held:
        _log.warning(
            "the worker keeps the tasks of %s as they were when it began: write"
            ' Celery(..., task_cls="%s:Task"), and restart the worker',
            ", ".join(held),
            _OURS,
        )


def _modules_of_plain_tasks() -> Iterator[str]:
    # A worker makes its application the default one of the process.
    app: Any = sys.modules["celery._state"].default_app
    for task in list(app._tasks.values()) if app is not None else ():
        if not any(base.__module__ == _OURS for base in type(task).__mro__):
            yield type(task).__module__
