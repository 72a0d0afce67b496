"""Caches of the standard library that hold objects of live code.

What they hold is no registration. So a count of references starts from them, too: if nothing else
holds an object of a new execution, then there is nothing to search for.
"""

from __future__ import annotations

import typing
from typing import Any


def caches() -> list[Any]:
    """Return the caches of `typing`, and what keeps the functions that `@overload` decorated.

    Both are private, and may be missing.
    """
    clearing = getattr(typing, "_cleanups", ())
    found = [getattr(clear, "__self__", None) for clear in clearing]
    overloads: Any = getattr(typing, "_overload_registry", {})
    for by_name in list(overloads.values()):
        found += [by_name, *list(by_name.values())]
    return [each for each in found if each is not None]
