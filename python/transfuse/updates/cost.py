"""Would an update take longer than a fresh process?

The core knows how long the code of each module ran the last time. Where a server can start fresh
processes, and nothing that only memory holds is lost by them, they serve a change that would take
longer in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfuse.errors import CostsMore
from transfuse.updates.messages import duration

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a fresh process takes to become ready, in seconds; None: it is not known.
_fresh: float | None = None
# Called with the reason; returns whether fresh processes are to serve the change. Written before
# the server begins.
_decide: Callable[[str], bool] | None = None


def fresh_processes_take(seconds: float, decide: Callable[[str], bool]) -> None:
    """Compare updates with fresh processes from now on.

    Args:
        seconds: how long one takes to become ready.
        decide: called with the reason where one takes less; returns whether fresh processes are to
            serve the change.
    """
    global _fresh, _decide
    _fresh, _decide = seconds, decide


def check(seconds: float, modules: int) -> None:
    """Refuse an update that fresh processes are to serve; the core calls it.

    Args:
        seconds: how long the modules of its plan ran the last time, together.
        modules: how many these are.

    Raises:
        CostsMore: fresh processes are to serve it.
    """
    if _fresh is None or _decide is None or seconds <= _fresh:
        return
    what = "the module that would run" if modules == 1 else f"the {modules} modules that would run"
    took = f"{what} took {duration(seconds)} the last time"
    why = f"{took}, and a fresh process takes {duration(_fresh)}"
    if _decide(why):
        raise CostsMore(why)
