"""The `threading.local` objects that modules of an update fill in the thread that runs them.

A module fills its own, or by a call those of another module: of a library that keeps the current
application there, or of a live module that does not run again.
"""

from __future__ import annotations

import gc
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet, ref

from transfuse import _core
from transfuse.config import native

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    # Objects, and attributes that they have in one thread.
    Filled = list[tuple[Any, dict[str, Any]]]

_LOCAL = native.public_local()
# The attributes of a class, also where its metaclass defines a `__dict__`.
_CLASS_DICT = vars(type)["__dict__"].__get__

# All that follows is used by the thread that runs the modules of an update; there is one at a time.
# The objects in the globals of all modules, and those that `_locals_of` finds in live ones.
_known: WeakSet[Any] = WeakSet()
# The names of the modules that were searched -> their entries; how many modules there were then.
_searched: dict[str, ref[Any]] = {}
_count = 0
# The thread of the last update, as `threading.get_ident` has it, and what it had before its first.
_thread = 0
_original: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def begin(filled: Iterable[tuple[Any, Mapping[str, Any]]]) -> None:
    """Begin an update in this thread, which still has the values of earlier ones.

    Args:
        filled: what the modules in use have filled, which is there in a fresh process.
    """
    global _thread  # noqa: PLW0603
    _search()
    here = native.threading.get_ident()
    if here != _thread:
        _thread = here
        _original.clear()
    for each in list(_known):
        values = vars(each)
        if each in _original:
            values.clear()
            values.update(_original[each])
        else:
            _original[each] = dict(values)
    for each, names in filled:
        vars(each).update(names)


def take_back(filled: Filled) -> None:
    """Undo in this thread what a module put into objects of other modules."""
    for each, names in filled:
        values: dict[str, Any] = each.__dict__
        original = _original.get(each, {})
        for name in [name for name, value in names.items() if values.get(name, names) is value]:
            del values[name]
            if name in original:
                values[name] = original[name]


def known() -> Filled:
    """Return what the known objects have in this thread."""
    return [(each, dict(values)) for each in list(_known) if (values := vars(each))]


def of_module(module: ModuleType) -> Filled:
    """Return what a module has in its own objects, those of its classes and of their instances."""
    own = list(_locals_of(module))
    for each in own:
        if _is_looked_at(type(each)):
            _known.add(each)
            # The module has created it, so it was empty before. A copy of its present values
            # would keep the module in memory.
            _original.setdefault(each, {})
    return [(each, dict(vars(each))) for each in own if vars(each)]


def of_others(before: Filled, own: Filled) -> Filled:
    """Return the values that have changed in this thread, except in a module's own objects."""
    if len(sys.modules) != _count:
        _search()
    old = {id(each): values for each, values in before}
    mine = {id(each) for each, _ in own}
    found: Filled = []
    for each, values in known():
        was = old.get(id(each), {})
        new = {name: value for name, value in values.items() if was.get(name, was) is not value}
        if new and id(each) not in mine:
            found.append((each, new))
    return found


def _search() -> None:
    """Find the objects of modules that have been imported since."""
    global _count  # noqa: PLW0603
    modules = list(sys.modules.items())
    _count = len(modules)
    others: set[type] = set()
    for name, module in modules:
        entry = _searched.get(name)
        if entry is not None and entry() is module:
            continue
        kind = type(module)
        if kind.__module__ == "transfuse._core":
            # What an update runs is added by `of_module`.
            for each in _core.executions(name, lingering=False):
                found = _locals_of(each)
                _known.update(one for one in found if _is_looked_at(type(one)))
        elif issubclass(kind, ModuleType):
            _known.update(_globals_of(module, others))
        else:
            continue
        _searched[name] = ref(module)


def _globals_of(module: ModuleType, others: set[type]) -> Iterator[Any]:
    """Yield such objects.

    Args:
        module: has them in its globals.
        others: types of other objects, as far as they are known. This adds to them.
    """
    # A lazy module loads when it is asked for its attributes.
    values = list(object.__getattribute__(module, "__dict__").values())
    kinds = set(map(type, values)) - others
    found = {kind for kind in kinds if _is_looked_at(kind)}
    others |= kinds - found
    if found:
        yield from (value for value in values if type(value) in found)


def _is_looked_at(kind: type) -> bool:
    """Whether it is such a type, and looking at an object runs no code: an `__init__` would run.

    Those of gevent belong to greenlets, and cannot be referred to weakly.
    """
    return bool(issubclass(kind, _LOCAL) and kind.__weakrefoffset__) and all(
        getattr(kind, name) is getattr(_LOCAL, name)
        for name in ("__init__", "__getattribute__", "__hash__", "__eq__")
    )


def _locals_of(module: ModuleType) -> Iterator[Any]:
    for value in list(vars(module).values()):
        kind = type(value)
        if issubclass(kind, _LOCAL):
            yield value
            continue
        cls = value if issubclass(kind, type) else kind
        if _CLASS_DICT(cls).get("__module__") != module.__name__:
            continue
        parts = list(_CLASS_DICT(value).values()) if cls is value else _parts(value)
        yield from (each for each in parts if issubclass(type(each), _LOCAL))


def _parts(value: Any) -> Iterator[Any]:
    """Yield the attributes of an object. Asking it for its `__dict__` would make one."""
    for each in gc.get_referents(value):
        if type(each) is dict:
            yield from list(each.values())
        else:
            yield each
