"""Which global names does the code on the way to an error use where it was?

The core asks when an application's startup fails, to find the modules whose state was in the way.
"""

from __future__ import annotations

import dis
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType


def failing_lines(error: BaseException) -> list[tuple[dict[str, Any], list[str]]]:
    """Return for each frame its globals and the global names of the line that it had reached."""
    found = []
    entry = error.__traceback__
    while entry is not None:
        names = _names(entry.tb_frame.f_code, entry.tb_lineno)
        found.append((entry.tb_frame.f_globals, names))
        entry = entry.tb_next
    return found


def _names(code: CodeType, line: int) -> list[str]:
    reached = [(start, end) for start, end, at in code.co_lines() if at == line]
    return [
        each.argval
        for each in dis.get_instructions(code)
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        and any(start <= each.offset < end for start, end in reached)
    ]
