"""`serve --json` and `run --json`: what happens, for a program, a line of JSON each on stdout.

Lines of the application's own may come between them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from transfuse.last_served import resumed
from transfuse.updates import api

if TYPE_CHECKING:
    from transfuse.updates.reports import Report, Status


def line_of(event: str, **facts: Any) -> str:
    """Return the line of an event."""
    return json.dumps({"event": event, "pid": os.getpid(), **facts}) + "\n"


def tell_serving(target: str, interface: str, address: str, now: Status) -> None:
    """Tell that a worker has loaded the application."""
    began = resumed.here()
    _write(
        line_of(
            "serving",
            target=target,
            interface=interface,
            address=address,
            roots=list(now.roots),
            generation=now.generation,
            resumed=None if began is None else began.to_json(now.roots),
        )
    )


def tell_running(program: str, now: Status) -> None:
    """Tell that a program begins."""
    _write(line_of("running", program=program, roots=list(now.roots), generation=now.generation))


def tell_end(code: int) -> None:
    """Tell how a program has ended."""
    _write(line_of("ended", code=code))


def tell_update(report: Report) -> None:
    """Tell how an update or a rollback went."""
    _write(line_of("update", **report.to_json(api.status().roots)))


def _write(line: str) -> None:
    # In one piece: workers write to the same place.
    print(line, end="", flush=True)
