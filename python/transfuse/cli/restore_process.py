"""What has the command line brought into the process that the program must not find there?

click and what comes with it. The program may be about to load its own copy of one of them, from a
root even; it is to import what it would import without us, and to import it anew.
"""

from __future__ import annotations

import sys

# As this is imported before click is.
_BEFORE = frozenset(sys.modules)


def no_trace() -> None:
    """Take out of `sys.modules` what others than the standard library and we have put there."""
    for name in set(sys.modules) - _BEFORE:
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "transfuse":
            del sys.modules[name]
