"""May a function have kept a plain value of a module that it imported, and where?

A class or an object of it is found by a walk over what the importing module holds (the core's
`effects/retention.rs`). A number or a text is not: it belongs to no module. So the source of the
importing functions has to show that nothing plain outlives their calls. A value comes from the
import if it is computed from an imported name, or if the import decides that it is used. It
outlives the call if it is put into a global, an attribute, a container that the function did not
make, or a cache, or is given to a live function that stores something, or returned to one that
does. In doubt it does.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
from contextvars import ContextVar
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.source.analyses import Source, known, save
from transfuse.source.call_names import BRING, RUN_TEXT
from transfuse.source.code_words import Words, words
from transfuse.source.function_scan import keepers
from transfuse.source.kept_places import ASK
from transfuse.source.returning import ReturningFunctions, value_of
from transfuse.source.static_members import is_place, method_of
from transfuse.source.stores import NO_PLACES, is_a, stores, stores_call, stores_in_globals
from transfuse.source.unseen_calls import is_special

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfuse.source.kept_places import Keeper, Kept, Passed
    from transfuse.source.live_namespaces import LiveNamespaces

# Decorators, and arguments, that keep what functions return, by parts of their names.
_CACHES = ("cache", "defaultdict", "factory", "lazy", "memo", "once", "persist", "singleton")


# Words without which no function imports but by a statement.
_IMPORTING = BRING | RUN_TEXT | {"modules"}


class Found(NamedTuple):
    """What may have been kept.

    Attributes:
        modules: the names of the modules whose state may hold it.
        globals: the names of globals that may; empty text if any may.
        returned: the functions and properties of the module that return it.
        beyond: the names of globals that lead to foreign modules and classes that may hold it.
    """

    modules: list[str]
    globals: list[str]
    returned: list[str]
    beyond: list[str]


def kept(
    by: tuple[Any, ...],
    imported: tuple[str, dict[str, Any]],
    returning: list[str],
    live: LiveNamespaces,
) -> Found:
    """Tell where functions of a module may have kept a plain value of another.

    Args:
        by: the fields of the importing `Source`.
        imported: the name and the namespace of the imported module.
        returning: the functions of that module that return what they import, if it is they
            whose results matter, and not the whole module.
        live: the namespaces of all live modules, by their names.
    """
    source = Source(*by)
    try:
        return Search(source, *imported, frozenset(returning), live).run()
    finally:
        save(source)


class Search:
    """Looks for what functions of one module have kept of another one, or of what they read."""

    def __init__(
        self,
        by: Source,
        target: str,
        values: dict[str, Any],
        returning: frozenset[str],
        live: LiveNamespaces,
    ) -> None:
        self._by, self._target, self._values = by, target, values
        self._returning, self._live = returning, live
        self._package = by.name if by.is_package else by.name.rpartition(".")[0]
        self._functions = ReturningFunctions(by, target, values, returning)
        self._modules: set[str] = set()
        self._globals: set[str] = set()
        self._beyond: set[str] = set()

    def run(self) -> Found:
        by = self._by
        if self._returning and not known(by, _names_any, self._returning):
            return Found([], [], [], [])
        found = self._keepers()
        returned = set()
        importing = [one for one in found if _imports(one, self._package, self._target)]
        importing = importing or [one for one in found if "" in one.calls]
        for keeper in [*importing, *(one for one in found if one.uses_others)]:
            self.kept_by(keeper, [])
            if any(self._is_plain(one) for one in keeper.returned):
                returned.add(keeper.name)
        found_in = (self._modules, self._globals, returned, self._beyond)
        return Found(*(sorted(names) for names in found_in))

    def kept_by(self, keeper: Keeper, used: list[str]) -> list[str]:
        """Return the modules that may hold what a function keeps, or objects that it uses."""
        for kept in keeper.kept:
            self._keep(kept)
        for passed in keeper.passed:
            self._pass(passed)
        if any(self._caches(decorator) for decorator in keeper.decorators):
            self._modules.add(self._by.name)
        for name in used:
            owner = self._value(name)
            if (
                is_place(owner)
                and owner is not sys.modules
                and type(owner).__module__ not in self._live
            ):
                self._modules.update((self._by.name, *self._others_with(owner)))
        return sorted(self._modules)

    def _value(self, name: str) -> Any:
        return value_of(self._by.namespace, name)

    def _keepers(self) -> tuple[Keeper, ...]:
        """Return the functions that may keep something, without parsing where there are none."""
        found = known(self._by, _words)
        others = self._functions.names(found) if self._returning else frozenset()
        if not others and found is not None and not _may_import(found):
            return ()
        return known(self._by, _keepers, others, self._unreached(found))

    def _unreached(self, found: Words | None) -> frozenset[str]:
        """Return the live modules that no import statement of the source has named, as written.

        A function that imports one has never come as far as that, and so has kept nothing after it.
        """
        if found is None or not is_a(builtins.__import__, BuiltinFunctionType):
            # A wrapper of the program's may import in the place of the function.
            return frozenset()
        reached = self._by.named() if found.named else None
        if reached is None:
            return frozenset()
        unreached = self._live.keys() - set(reached)
        return frozenset(one for one in found.named if self._absolute(one) in unreached)

    def _absolute(self, written: str) -> str:
        module = written.lstrip(".")
        return _absolute(len(written) - len(module), module, self._package)

    def _keep(self, kept: Kept) -> None:
        """Something is kept in the object that the name `kept.root` leads to."""
        value = self._by.namespace.get(kept.root)
        self._modules.update(self._others_with(value))
        if not self._is_live(value):
            # `sys.modules[__name__]` leads to the importing module.
            self._globals.add("" if is_a(value, ModuleType) else kept.root)
            if self._is_foreign(value):
                self._beyond.add(kept.root)
            if self._is_plain(kept):
                self._modules.add(self._by.name)

    def _is_foreign(self, value: object) -> bool:
        """Tell whether it is a module or a class that no update runs, or the environment."""
        if is_a(value, type):
            return value.__module__ not in self._live
        return value is os.environ or (is_a(value, ModuleType) and value is not sys)

    def _is_live(self, value: object) -> bool:
        return issubclass(type(value), ModuleType) and vars(value).get("__name__") in self._live

    def _others_with(self, value: Any) -> Iterator[str]:
        """Yield the other live modules that have the same object: one of them made it."""
        if self._is_live(value):
            yield value.__name__
        elif value is not None and not is_a(value, *NO_PLACES):
            yield from (name for name in self._live.having(value) if name != self._by.name)

    def _pass(self, passed: Passed) -> None:
        """A function gets a value: does it, or may it, keep that?"""
        value, roots = self._value(passed.function), passed.roots
        holder, _, last = passed.function.rpartition(".")
        if holder.partition(".")[0] in ("self", "cls"):
            for kind in self._by.namespace.copy().values():
                if is_a(kind, type) and kind.__module__ == self._by.name:
                    method = method_of(kind, last)
                    if method is not None and _stores_given(method.__code__, passed):
                        self._modules.add(self._by.name)
        elif is_a(value, FunctionType):
            if value.__module__ not in self._live:
                self._store_in(roots)
            elif stores_in_globals(value.__code__, value.__globals__):
                self._modules.add(value.__module__)
            elif _stores_given(value.__code__, passed, bound=False):
                self._modules.add(self._by.name)
        elif holder and not is_a(value, type) and self._keeps(self._value(holder), last, passed):
            self._modules.update((self._by.name, *self._others_with(self._value(holder))))
        if is_a(value, BuiltinFunctionType):
            self._store_in(roots)

    def _keeps(self, owner: object, name: str, passed: Passed) -> bool:
        """Tell whether a method keeps what it gets in its object."""
        method = method_of(type(owner), name)
        if method is not None and method.__module__ in self._live:
            return _stores_given(method.__code__, passed)
        # What a foreign object does with a value is unknown: `db.execute(sql, (rate,))`.
        plain = any(self._is_plain(one) for one in passed.given)
        return plain and is_place(owner) and not name.startswith(ASK)

    def _store_in(self, roots: tuple[str, ...]) -> None:
        """Foreign code may put something into a container that it gets: `heapq.heappush`."""
        for root in roots:
            value = self._by.namespace.get(root)
            if is_a(value, list, dict, set) or type(value).__module__ in self._live:
                self._modules.update((self._by.name, *self._others_with(value)))

    def _is_plain(self, kept: Kept) -> bool:
        """Tell whether what is kept can be a plain value, or be where no walk finds it."""
        if is_a(self._by.namespace.get(kept.root), ModuleType, threading.local, ContextVar):
            return True
        if kept.whole:
            # A walk over objects finds it.
            return False
        if not kept.name:
            return True
        if kept.name not in self._values:
            # The module itself, of its package; anything else is unknown.
            return kept.name != self._target.rpartition(".")[2]
        value = self._values[kept.name]
        if kept.called:
            return not is_a(value, type)
        return not is_a(value, type, FunctionType, ModuleType) and not self._holds_objects(value)

    def _holds_objects(self, value: Any) -> bool:
        """Tell whether a value is an object of a live class, or a container of such and of code."""
        if is_a(value, dict):
            value = list(dict.values(value))
        elif is_a(value, set, frozenset):
            value = list(value)
        if type(value) in (list, tuple):
            return bool(value) and all(self._holds_objects(one) for one in value)
        if is_a(value, MethodType):
            value = value.__self__
        code = is_a(value, type, FunctionType, ModuleType)
        return code or type(value).__module__ in self._live

    def _caches(self, decorator: str) -> bool:
        """Tell whether a decorator may keep what its function returns."""
        value: Any = self._value(decorator)
        found = any(word in decorator.lower() for word in _CACHES)
        found = self._registers(decorator, value) or found
        if is_a(value, FunctionType):
            inner = [one for one in value.__code__.co_consts if is_a(one, CodeType)]
            shared = any(stores_in_globals(code, value.__globals__) for code in inner)
            if shared and value.__module__ in self._live:
                self._modules.add(value.__module__)
            found = found or any(stores(code) for code in inner)
        elif is_a(value, type):
            own = (one for kind in value.__mro__ for one in list(vars(kind).items()))
            methods = [one for name, one in own if name not in _MADE_BY and is_a(one, FunctionType)]
            found = found or any(stores(one.__code__) for one in methods)
        return found

    def _registers(self, decorator: str, value: Any) -> bool:
        """Tell whether live code stores a function that it gets, and may store what that returns.

        `provide("rate", load)` puts the function into a table, and `get("rate")` of the same
        module, or another method of the same object, calls it and keeps the result.
        """
        holder, _, last = decorator.rpartition(".")
        if is_a(value, FunctionType):
            if value.__module__ not in self._live or not stores(value.__code__):
                return False
            others = [
                one
                for one in self._live[value.__module__].copy().values()
                if is_a(one, FunctionType) and one.__module__ == value.__module__
            ]
            if any(one is not value and stores_call(one.__code__) for one in others):
                self._modules.add(value.__module__)
            return False
        owner = self._value(holder) if holder else None
        kind = type(owner)
        method = method_of(kind, last)
        if method is None or method.__module__ not in self._live or not stores(method.__code__):
            return False
        names = {name for base in kind.__mro__ for name in list(vars(base))} - {last, *_MADE_BY}
        methods = [one for one in (method_of(kind, name) for name in names) if one is not None]
        if not any(stores_call(one.__code__) for one in methods):
            return False
        self._modules.update(self._others_with(owner))
        return True


# Methods that run before there is anything to keep.
_MADE_BY = frozenset({"__init__", "__new__", "__set_name__", "__init_subclass__"})


def _names_any(by: Source, names: frozenset[str]) -> bool:
    text = by.text()
    return any(is_special(name) or name.encode() in text for name in names)


def _words(by: Source) -> Words | None:
    code = by.code()
    return words(code) if code is not None else None


def _keepers(by: Source, others: frozenset[str], unreached: frozenset[str]) -> tuple[Keeper, ...]:
    return keepers(by.text(), others, unreached)


def _may_import(words: Words) -> bool:
    """Tell whether a function may import, by a statement or by a call, as far as its words show."""
    return words.imports or not words.inside.isdisjoint(_IMPORTING)


def _absolute(level: int, module: str, package: str) -> str:
    base = package.split(".")
    start = base[: len(base) - level + 1] if level else []
    return ".".join([*start, module] if module else start)


def _imports(keeper: Keeper, package: str, target: str) -> bool:
    parent, _, tail = target.rpartition(".")
    for level, module, names in keeper.imports:
        absolute = _absolute(level, module, package)
        if absolute == target or (not names and absolute.startswith(target + ".")):
            return True
        # A submodule that is taken of its package, by name or as an attribute.
        if absolute == parent and (tail in names or "*" in names or not names):
            return True
    return any(
        given is None or given.replace(":", ".").startswith(target) for given in keeper.calls
    )


def _stores_given(code: CodeType, passed: Passed, *, bound: bool = True) -> bool:
    """Tell whether a function may store an argument anywhere but in the argument itself.

    Args:
        code: the function's.
        passed: the call.
        bound: whether it is a method, which gets its object first.
    """
    names = code.co_varnames[: code.co_argcount]
    if bound and names[:1] not in (("self",), ("cls",)):
        return stores(code)
    given = names[1:] if bound else names
    found = (given[at : at + 1] if isinstance(at, int) else (at or "",) for at in passed.places)
    return stores(code, frozenset(name for names in found for name in names))
