"""What foreign functions remember of live code that they looked up by its name.

A function like ``import_string`` may have an ``lru_cache``, or put what it finds into a dict of its
module under the name that it looked up. In a fresh process both are empty.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.registrations.entries import entries_of
from transfuse.registrations.exchange import held_outside, own
from transfuse.registrations.made import Execution, Made
from transfuse.registrations.search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHE = type(functools.lru_cache(lambda: None))
_WRAPPERS = (_CACHE, FunctionType)


def forget(functions: list[tuple[str, str]], former: list[ModuleType]) -> None:
    """Make foreign functions look up live code anew.

    Args:
        functions: the name of the module and the qualified name of each function that looked up
            one of `former`.
        former: superseded modules. Of dicts only entries leave that hold a value of theirs under
            its name.
    """
    by_name: dict[str, list[ModuleType]] = {}
    for module in former:
        by_name.setdefault(module.__name__, []).append(module)
    for name in {module for module, _ in functions}:
        for value in list(_namespace(name).values()):
            if issubclass(type(value), dict) and "__builtins__" not in value:
                _take_out(value, by_name)
    for name, function in functions:
        for cache in _caches(_namespace(name), function):
            cache.cache_clear()


def kept(looked_up: list[ModuleType], former: list[ModuleType], new: list[ModuleType]) -> list[str]:
    """Return the names of modules of whose former code foreign state keeps something.

    Args:
        looked_up: superseded modules that foreign code looked up.
        former: all superseded modules of the update.
        new: the modules that have run.
    """
    made = Made(
        [Execution(one, [], []) for one in looked_up], [Execution(one, [], []) for one in new]
    )
    held = held_outside([*former, *new], made)
    if not held.objects:
        return []
    search = Search(made, held.inside | own([held]), {}, lambda _: 0, lambda *_: True)
    # A registry in which the new code is as well is no memo.
    successors = Made([Execution(one, [], []) for one in new], [])
    found: set[str] = set()
    for each in search.containers(held.objects):
        found.update(set(_made_by(each, made)).difference(_made_by(each, successors)))
    return sorted(found)


def _made_by(container: Any, made: Made) -> Iterator[str]:
    """Yield the modules of entries that are such objects: what only leads to one may be a memo."""
    is_dict = issubclass(type(container), dict)
    for entry in entries_of(container):
        key = made.key(entry.held[1] if is_dict else entry.held)
        if key is not None:
            yield key.module


def _namespace(name: str) -> dict[str, Any]:
    module = sys.modules.get(name)
    return vars(module) if type(module) is ModuleType else {}


def _take_out(container: dict[Any, Any], former: dict[str, list[ModuleType]]) -> None:
    """Take out the entries that hold such a value under its name, without asking any object."""
    for key, value in list(dict.items(container)):
        if any(
            vars(module).get(name, former) is value
            for of, name in _names_in(key)
            if not name.startswith("__")
            for module in former.get(of, ())
        ):
            dict.pop(container, key, None)


def _names_in(key: Any) -> Iterator[tuple[str, str]]:
    """Yield the name of the module and of the value that a key may stand for."""
    if type(key) is str:
        for separator in ".:":
            of, found, name = key.rpartition(separator)
            if found:
                yield of, name
    # A key of another type may compare in any way.
    elif type(key) is tuple and [type(part) for part in key] == [str, str]:
        yield key[0], key[1]


def _caches(
    namespace: dict[str, Any], function: str
) -> Iterator[functools._lru_cache_wrapper[Any]]:
    """Yield the caches around a function, under any name of its module or of a class there."""
    values = list(namespace.values())
    # Before Python 3.11 only the last part of the qualified name is known.
    own = function.rpartition(".")[2]
    classes = [one for one in values if isinstance(one, type)]
    for value in [*values, *(each for one in classes for each in list(vars(one).values()))]:
        # Another decorator may stand around the cache, or inside it.
        around = [_inside(value)]
        while type(around[-1]) in _WRAPPERS and "__wrapped__" in vars(around[-1]):
            around.append(vars(around[-1])["__wrapped__"])
        if type(around[-1]) is FunctionType and around[-1].__name__ == own:
            yield from (one for one in around if type(one) is _CACHE)


def _inside(value: Any) -> Any:
    """Return the function in a property, or in a static or class method."""
    if type(value) is property:
        return value.fget
    return value.__func__ if type(value) in (staticmethod, classmethod) else value
