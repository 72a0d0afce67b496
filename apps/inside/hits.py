"""Which version of each function has run?

`apps.versions` puts a call of `hit` into each function of an application. This module is foreign:
no update runs it, or changes what it has noted.
"""

from __future__ import annotations

# ("shop.page:View.get", 3): a function, and a version of its module. Any thread adds to it.
_HITS: set[tuple[str, int]] = set()


def hit(function: str, version: int) -> None:
    """Note that a function runs."""
    _HITS.add((function, version))


def taken() -> list[tuple[str, int]]:
    """Return which functions have run since the last call, and in which versions."""
    hits = _HITS.copy()
    _HITS.clear()
    return sorted(hits)
