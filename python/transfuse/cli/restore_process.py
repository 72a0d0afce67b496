"""Removes the command line's own modules from the process before the user's program runs.

These are click and its imports. The program may load its own copy of one of them, even from a root,
so it must import the same modules as without us, and import them anew.
"""

from __future__ import annotations

import sys

# As this is imported before click is.
_BEFORE = frozenset(sys.modules)


def no_trace() -> None:
    """Remove the imports since then from `sys.modules`, but for the standard library and us."""
    for name in set(sys.modules) - _BEFORE:
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "transfuse":
            del sys.modules[name]
