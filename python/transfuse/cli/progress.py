"""Progress of a slow update, for a person at a terminal.

After a second, and then every few seconds, a line names the module that is being run.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from transfuse.cli.terminal import say
from transfuse.updates.api import on_step
from transfuse.updates.participants import step_under_way
from transfuse.updates.places import place_of

if TYPE_CHECKING:
    from transfuse.updates.reports import Step

# Seconds until the first line, and between two lines.
FIRST, NEXT = 1.0, 5.0


class Steps:
    """Follows the steps of an update, and prints one when it takes long."""

    def __init__(self) -> None:
        # Guards the two below, which the updating thread writes and the timer reads.
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._timer: threading.Timer | None = None
        # When the first step of the update began, by `time.monotonic`.
        self._began = 0.0

    def hear(self, step: Step | None) -> None:
        """Take note of a step that begins, or (None) of the end of the update."""
        with self._lock:
            self._step = step
            if step is None and self._timer is not None:
                self._timer.cancel()
                self._timer = None
            elif step is not None and self._timer is None:
                self._began = time.monotonic()
                self._wind(FIRST)

    def _wind(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._speak)
        self._timer.daemon = True
        self._timer.start()

    def _speak(self) -> None:
        with self._lock:
            step = self._step
            if step is None:
                return
            self._wind(NEXT)
            seconds = time.monotonic() - self._began
        waits_for = step_under_way()
        if waits_for is not None:
            what = f"waiting for {waits_for}"
        else:
            place = place_of(step.thread, step.roots)
            at = f", at {place}" if place else ""
            what = f"running {step.name} ({step.index} of {step.count}){at}"
        say(
            f"still updating, for {seconds:.0f} s: {what};"
            f" serving generation {step.serving} meanwhile"
        )


def show_steps() -> None:
    """Print the steps of long updates to stderr from now on."""
    on_step(Steps().hear)
