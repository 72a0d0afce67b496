"""Is what is served still there in the next generation?

A request could only fail without it, so an update in which the target is gone is refused. And who
serves can be asked how things stand, by `transfuse status` and its like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfuse import frameworks, stages
from transfuse._core import Pin
from transfuse.lifecycle import at_end

if TYPE_CHECKING:
    from transfuse.target import Target


class Served:
    """Takes part in updates for one target.

    Args:
        target: what must exist, and must be callable.
        or_has: the name of a method that will do instead.
    """

    rank = 0

    def __init__(self, target: Target, or_has: str) -> None:
        self._target = target
        self._or_has = or_has

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Look it up in the staged generation.

        Raises:
            TargetError: it is not there, or not callable.
        """
        self._target.resolve_callable(self._or_has)

    def published(self, generation: int) -> None:
        """Nothing to do."""

    def abandoned(self, generation: int) -> None:
        """Nothing to do."""


def serve(target: Target, *, or_has: str = "__call__") -> None:
    """Insist on a target from now on; see `Served`.

    Raises:
        TargetError: it is not there now, or not callable.
        BaseException: whatever its module raises while it is loaded.
    """
    # What it brings along is of no use where nothing is served.
    from transfuse import local  # noqa: PLC0415

    # Not pinned, so that a file that was written just now is found.
    target.load()
    with Pin():
        target.resolve_callable(or_has)
        frameworks.attend()
    stages.join(Served(target, or_has))
    if local.listen(f"serve {target.text}"):
        at_end(local.deafen)
