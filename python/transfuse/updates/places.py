"""Where is a thread, in the program's own code?"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from transfuse.updates.messages import short_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def place_of(thread: int, roots: Sequence[str]) -> str | None:
    """Tell the innermost line below the roots that a thread is at: ``"shop/val.py, line 3"``.

    Args:
        thread: by its `threading.get_ident`.
        roots: absolute directories.

    Returns:
        None if it runs no such code.
    """
    frame: FrameType | None = sys._current_frames().get(thread)
    starts = tuple(root.rstrip(os.sep) + os.sep for root in roots)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(starts):
            return f"{short_path(file, roots)}, line {frame.f_lineno}"
        frame = frame.f_back
    return None
