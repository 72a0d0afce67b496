"""Registrations in single slots that wrap their own former ones, taken apart.

`logging.setLogRecordFactory(Factory(logging.getLogRecordFactory()))` puts an object into an
attribute of a foreign module, and it calls the one before. A fresh process makes one such wrapper.
Each further execution, or the first request after it, would wrap the one of the execution before,
and call it. So where a wrapper wraps one of the same name that another execution of its module
made, it takes over what that one wraps.
"""

from __future__ import annotations

import contextlib
import sys
from types import CellType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.registrations.made import Key, is_live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OURS = "transfuse."
# The most wrappers of one chain: as many as there are executions that have not been looked at.
_LONGEST = 1_000


def take_apart(modules: Iterable[ModuleType]) -> None:
    """Have the values in slots of foreign modules wrap no former ones.

    Args:
        modules: live modules; looked at are the foreign modules whose names they have imported.
    """
    for foreign in _imported_by(modules):
        for value in list(vars(foreign).values()):
            wrapper = _bound_to(value)
            if _key(wrapper) is not None:
                _take_apart(wrapper)


def _imported_by(modules: Iterable[ModuleType]) -> Iterator[ModuleType]:
    """Yield the foreign modules that live ones have, or have functions and classes of."""
    seen = set()
    for module in modules:
        for value in list(vars(module).values()):
            if type(value) is ModuleType:
                found: Any = value
            elif type(value) is FunctionType or issubclass(type(value), type):
                found = sys.modules.get(value.__module__)
            else:
                continue
            # Facades, and objects that a program puts into `sys.modules`, are of other types.
            if type(found) is ModuleType and id(found) not in seen and not is_live(vars(found)):
                seen.add(id(found))
                yield found


def _take_apart(wrapper: Any) -> None:
    for place in _places(wrapper):
        value = _get(wrapper, place)
        inner = _innermost(wrapper, place, value)
        if inner is not value:
            _put(wrapper, place, inner)


def _innermost(wrapper: Any, place: str | int, value: Any) -> Any:
    """Return what the last of the former wrappers in a place wraps; without any, the value."""
    key, found = _key(wrapper), value
    for _ in range(_LONGEST):
        former = _bound_to(found)
        if former is wrapper or _key(former) != key or not _is_of_another(former, wrapper):
            return found
        inner = _get(former, place)
        if inner is None:
            return value
        found = inner
    return value


def _bound_to(value: Any) -> Any:
    """Return the object of a bound method, which is the one that has the state."""
    return value.__self__ if type(value) is MethodType else value


def _key(each: Any) -> Key | None:
    """Return the name that the wrappers of all executions of a live module share, else None."""
    kind = type(each)
    if kind is FunctionType:
        if not is_live(each.__globals__):
            return None
        return Key(each.__globals__.get("__name__", ""), "function", each.__qualname__)
    is_class = issubclass(kind, type)
    made = each if is_class else kind
    # The entry of a live module is a facade.
    if not type(sys.modules.get(made.__module__)).__module__.startswith(_OURS):
        return None
    return Key(made.__module__, "class" if is_class else "instance", made.__qualname__)


def _is_of_another(one: Any, other: Any) -> bool:
    """Whether two wrappers of one name are of two executions."""
    if type(one) is FunctionType:
        return type(other) is FunctionType and one.__globals__ is not other.__globals__
    if issubclass(type(one), type):
        return one is not other
    return type(one) is not type(other)


def _places(each: Any) -> list[str | int]:
    """List where an object has others: variables, attributes, or bases by their position."""
    if type(each) is FunctionType:
        return list(each.__code__.co_freevars)
    if issubclass(type(each), type):
        return list(range(len(each.__bases__)))
    return list(_attributes(each))


def _get(each: Any, place: str | int) -> Any:
    """Return what is there; None for nothing."""
    if isinstance(place, int):
        bases = getattr(each, "__bases__", ())
        return bases[place] if place < len(bases) else None
    if type(each) is not FunctionType:
        return _attributes(each).get(place)
    cell = _cell(each, place)
    with contextlib.suppress(ValueError):
        return None if cell is None else cell.cell_contents
    return None


def _put(each: Any, place: str | int, value: Any) -> None:
    if isinstance(place, int):
        bases = list(each.__bases__)
        bases[place] = value
        # Not all classes can take another base.
        with contextlib.suppress(TypeError):
            each.__bases__ = tuple(bases)
    elif type(each) is not FunctionType:
        _attributes(each)[place] = value
    elif (cell := _cell(each, place)) is not None:
        cell.cell_contents = value


def _attributes(each: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(each, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _cell(function: FunctionType, name: str) -> CellType | None:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    return next((cell for free, cell in cells if free == name), None)
