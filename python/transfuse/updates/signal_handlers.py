"""Signal handlers that modules set while an update runs them in the main thread.

A handler is in force at once and for all. So it is taken back when the module has run, and set when
the update is published: a refused update leaves none behind.
"""

from __future__ import annotations

import signal
from typing import Any

from transfuse.updates import main_thread

Handlers = dict[int, Any]


def current() -> Handlers:
    """Return the handlers of all signals; none in a thread that cannot set any."""
    if not main_thread.is_here():
        return {}
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def take_back(before: Handlers) -> Handlers:
    """Put back the handlers as they were; return those that were set since."""
    changed = {
        number: handler
        for number, handler in (current() if before else {}).items()
        if handler is not before.get(number)
    }
    # One of None was not set by Python, which cannot put it back.
    put_back({number: before[number] for number in changed if before.get(number) is not None})
    return {number: handler for number, handler in changed.items() if handler is not None}


def put_back(handlers: Handlers) -> None:
    """Set handlers, in the main thread."""
    for number, handler in handlers.items():
        signal.signal(number, handler)
