"""Imports that other threads of the parent had begun when the process forked.

The child has none of these threads. So the locks of the modules that they were importing are never
released there, and an import of such a module would wait forever. Threads of Transfuse import its
modules, and those of the standard library, as they need them. The child imports these anew.
"""

from __future__ import annotations

import _thread
import os
import sys
from importlib import _bootstrap
from typing import Any


def _is_concerned(name: str) -> bool:
    top_level = name.partition(".")[0]
    return top_level == "transfuse" or top_level in sys.stdlib_module_names


def _after_fork() -> None:
    """Forget what other threads were importing, with the locks that they held or were taking."""
    locks: dict[str, Any] = _bootstrap._module_locks  # type: ignore[attr-defined]
    own = _thread.get_ident()
    for name, reference in list(locks.items()):
        lock = reference()
        if lock is None or lock.owner == own or not _is_concerned(name):
            continue
        del locks[name]
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            del sys.modules[name]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
