"""An exception of old code that Granian logs, with the source that the code was compiled from.

Granian writes tracebacks by the interpreter's C function, which reads the lines from the file, and
the file may have other lines by now. So where it has, the exception is logged here, with the true
lines, and Granian gets it without the frames that it would show with wrong ones.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

from transfuse.config.logs import get_logger
from transfuse.source.old_source import lines_of

if TYPE_CHECKING:
    from types import FrameType

_log = get_logger("transfuse")


def log_true_lines(error: BaseException | None, what: str) -> bool:
    """Log an exception that is about to reach the server, if the server would show wrong lines.

    Args:
        error: the exception; none if there is none.
        what: the unit of work that raised it, such as ``"GET /"``.

    Returns:
        Whether it has lost its traceback for that.
    """
    if not isinstance(error, Exception) or "granian" not in sys.modules:
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if any(_has_changed(frame) for frame in frames):
        text = "".join(traceback.format_exception(error)).rstrip()
        _log.error("%s raised an exception, in code whose file has changed since:\n%s", what, text)
        error.__traceback__ = None
        return True
    return False


def _has_changed(frame: FrameType) -> bool:
    """Whether the file of a frame has other text than the code was compiled from."""
    file = frame.f_code.co_filename
    lines = lines_of(frame.f_code, file, frame.f_globals)
    if lines is None:
        return False
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().splitlines() != [line.rstrip("\r\n") for line in lines]
    except OSError:
        return True
