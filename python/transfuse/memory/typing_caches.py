"""Empties the caches of `typing`, which keep old code that is no longer used.

`typing` keeps the last 128 uses of each of its forms (`Optional[Tea]`), and all that `@overload`
has ever decorated, by name and line. Either would keep the module that made the class or the
function in memory, and `get_overloads` would tell of functions that left the source.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from transfuse import _core

if TYPE_CHECKING:
    from collections.abc import Iterable


def purge(names: Iterable[str]) -> None:
    """Remove executions of modules that no generation has any more, or never had.

    Args:
        names: the modules that were executed, such as ``{"shop.prices"}``.
    """
    # Only caches, whose entries are made again if need be. Both are private, and may be missing.
    for cleanup in getattr(typing, "_cleanups", ()):
        cleanup()
    overloads: Any = getattr(typing, "_overload_registry", {})
    for name in names:
        if name not in overloads:
            continue
        alive = {id(vars(module)) for module in _core.executions(name, lingering=False)}
        for by_line in list(overloads[name].values()):
            for line, function in list(by_line.items()):
                if id(getattr(function, "__globals__", None)) not in alive:
                    by_line.pop(line, None)
