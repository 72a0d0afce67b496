"""Is what is served still there in the next generation?

A request could only fail without it, so an update in which the target is gone is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfuse import stages

if TYPE_CHECKING:
    from transfuse.target import Target


class Served:
    """Takes part in updates for one target.

    Args:
        target: what must exist, and must be callable.
    """

    rank = 0

    def __init__(self, target: Target) -> None:
        self._target = target

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Look it up in the staged generation.

        Raises:
            TargetError: it is not there, or not callable.
        """
        self._target.resolve_callable()

    def published(self, generation: int) -> None:
        """Nothing to do."""

    def abandoned(self, generation: int) -> None:
        """Nothing to do."""


def serve(target: Target) -> None:
    """Insist on a target from now on.

    Raises:
        TargetError: it is not there now, or not callable.
        BaseException: whatever its module raises while it is loaded.
    """
    target.resolve_callable()
    stages.join(Served(target))
