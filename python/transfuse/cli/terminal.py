"""Output for a person at a terminal.

Everything here goes to stderr: lines of the log, and progress while something takes long.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING

from transfuse.config.logs import get_logger
from transfuse.updates import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGER = get_logger("transfuse")


def say(text: str, colour: str | None = None) -> None:
    """Write a line for a person."""
    text = f"transfuse: {text}"
    painted = colour is not None and messages.colourful(sys.stderr)
    line = messages.paint(text, colour) if painted and colour else text
    # In one piece with its end: threads and workers write lines at the same time.
    print(line + "\n", end="", file=sys.stderr, flush=True)


class LineHandler(logging.Handler):
    """Writes the log of `transfuse` to stderr, unless the program handles its log itself.

    It checks that for each record, because programs set up their logging as they start.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        logger: logging.Logger | None = _LOGGER
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        try:
            say(self.format(record), _colour(record))
        except Exception:
            self.handleError(record)


def show_log(*, verbose: bool) -> None:
    """Have the log of updates written to stderr.

    Args:
        verbose: whether the plan of each update is shown too.
    """
    if not any(isinstance(handler, LineHandler) for handler in _LOGGER.handlers):
        _LOGGER.addHandler(LineHandler())
    if verbose or _LOGGER.level == logging.NOTSET:
        _LOGGER.setLevel(logging.DEBUG if verbose else logging.INFO)


@contextlib.contextmanager
def progress(text: str) -> Iterator[None]:
    """Show at a terminal that something is going on, for as long as the block runs."""
    if not sys.stderr.isatty():
        yield
        return
    try:
        from rich.console import Console  # noqa: PLC0415 - only where it is seen
    except ModuleNotFoundError:
        yield
        return
    with Console(stderr=True).status(text, spinner="dots"):
        yield


def _colour(record: logging.LogRecord) -> str | None:
    if record.levelno >= logging.ERROR:
        return "red"
    if record.levelno >= logging.WARNING:
        return "yellow"
    return "green" if record.levelno == logging.INFO else "dim"
