"""Runs the function of the setting `check` before new code is served.

It is an ordinary function of the program, without arguments, that returns if the code can be
served and raises if it cannot: it may ask the application, or the database. In an update it runs
pinned to the staged generation, after the application's startup; a fresh process of `transfuse
serve` runs it before it takes connections.
"""

from __future__ import annotations

import inspect

from transfuse._core import Pin
from transfuse.errors import TargetError
from transfuse.process.install import installed_settings
from transfuse.process.target import Target
from transfuse.updates import participants


class SmokeCheck(participants.Participant):
    """Takes part in updates: refuses those that the check refuses."""

    order = 30

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Run the check in the staged generation.

        Raises:
            TargetError: there is no such function.
            BaseException: the check raises it.
        """
        _run()


_CHECK = SmokeCheck()


def register() -> None:
    """Take part in updates from now on."""
    participants.register(_CHECK)


def run() -> None:
    """Run the check in the current generation, if there is one.

    Raises:
        TargetError, BaseException: as `SmokeCheck.staged`.
    """
    with Pin("check"):
        _run()


def _run() -> None:
    settings = installed_settings()
    if settings is None or settings.check is None:
        return
    target = Target(settings.check)
    result = target.resolve_callable()()
    if inspect.iscoroutine(result):
        result.close()
        raise TargetError(
            f"check {target.text!r} is a coroutine function: name an ordinary one, which may call"
            " asyncio.run()"
        )
