"""Foreign modules, classes and caches that hold live objects and are no registries.

`webob.request.json = json` and an `lru_cache` that was called with a live function hold objects of
new executions after each update. A count of references has to account for them: otherwise the
heap would be searched for registries each time, and in vain. Most updates meet the same holders
again, so these are remembered; the others are looked for once for each kind of object.
"""

from __future__ import annotations

import sys
import weakref
from types import FunctionType
from typing import TYPE_CHECKING, Any

from transfuse import _core

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

# id -> a holder, as long as it lives.
_known: dict[int, weakref.ref[Any]] = {}
# The kinds and names of objects whose holders were looked for.
_sought: set[tuple[str, ...]] = set()
_MOST = 1_000
# References to functions and classes cannot be counted there.
_FREE_THREADED = "t" in getattr(sys, "abiflags", "")


def known() -> list[Any]:
    """Return the holders that are remembered."""
    return [one for one in (reference() for reference in list(_known.values())) if one is not None]


def look_for(objects: list[Any], names: Iterable[int], modules: list[ModuleType]) -> bool:
    """Look for the foreign holders of objects, unless it was done for such objects before.

    Args:
        objects: those that have references which are not accounted for.
        names: ids of the namespaces of the executions that made them.
        modules: the modules of these executions.

    Returns:
        Whether one was found that was not remembered.
    """
    wanted = {_kind(each): each for each in objects}
    if _FREE_THREADED or _sought.issuperset(wanted):
        return False
    if len(_sought) + len(wanted) > _MOST:
        _sought.clear()
        _known.clear()
    _sought.update(wanted)
    before = {id(one) for one in known()}
    found = _core.foreign_holders(objects, set(names), modules)
    _known.update((id(one), weakref.ref(one)) for one in found)
    return any(id(one) not in before for one in found)


def _kind(each: Any) -> tuple[str, ...]:
    """Return what an object has in common with its counterpart of another execution."""
    kind = type(each)
    if kind is FunctionType or issubclass(kind, type):
        return (kind.__qualname__, str(each.__module__), each.__qualname__)
    name = each.get("__name__", "") if kind is dict else ""
    return (kind.__qualname__, kind.__module__, str(name) if type(name) is str else "")
