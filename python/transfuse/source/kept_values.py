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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from transfuse.source.function_scan import keepers, names_used
from transfuse.source.kept_places import ASK
from transfuse.source.static_members import attributes, is_place, method_of
from transfuse.source.stores import NO_PLACES, is_a, stores, stores_call, stores_in_globals
from transfuse.source.unseen_calls import is_special

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transfuse.source.kept_places import Keeper, Kept, Passed

_T = TypeVar("_T")
# Types whose methods have names that other classes use, too.
_CONTAINERS = (bytes, dict, list, set, str, tuple)
# Decorators, and arguments, that keep what functions return, by parts of their names.
_CACHES = ("cache", "defaultdict", "factory", "lazy", "memo", "once", "persist", "singleton")


class Source(NamedTuple):
    """A module and its source.

    Attributes:
        text: reads its source.
        digest: of the source, if it is known.
        name: the module's dotted name.
        is_package: whether it is a package.
        namespace: its globals.
    """

    text: Callable[[], bytes]
    digest: int | None
    name: str
    is_package: bool
    namespace: dict[str, Any]


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
    by: tuple[Callable[[], bytes], int | None, str, bool, dict[str, Any]],
    imported: tuple[str, dict[str, Any]],
    returning: list[str],
    live: dict[str, dict[str, Any]],
) -> Found:
    """Tell where functions of a module may have kept a plain value of another.

    Args:
        by: the fields of the importing `Source`.
        imported: the name and the namespace of the imported module.
        returning: the functions of that module that return what they import, if it is they
            whose results matter, and not the whole module.
        live: the namespaces of all live modules, by their names.
    """
    return Search(Source(*by), *imported, frozenset(returning), live).run()


class Search:
    """Looks for what functions of one module have kept of another one, or of what they read."""

    def __init__(
        self,
        by: Source,
        target: str,
        values: dict[str, Any],
        returning: frozenset[str],
        live: dict[str, dict[str, Any]],
    ) -> None:
        self._by, self._target, self._values = by, target, values
        self._returning, self._live = returning, live
        self._modules: set[str] = set()
        self._globals: set[str] = set()
        self._beyond: set[str] = set()

    def run(self) -> Found:
        by = self._by
        if self._returning and not _known(by, _names_any, self._returning):
            return Found([], [], [], [])
        package = by.name if by.is_package else by.name.rpartition(".")[0]
        found = _known(by, keepers, self._others())
        returned = set()
        importing = [one for one in found if _imports(one, package, self._target)]
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

    def _others(self) -> frozenset[str]:
        """Return the names in the source that lead to the functions whose results matter."""
        if not self._returning:
            return frozenset()
        names = _known(self._by, names_used)
        return frozenset(name for name in names if self._leads_to_returning(name))

    def _leads_to_returning(self, name: str) -> bool:
        holder, _, last = name.rpartition(".")
        value = self._value(name)
        if self._runs_returning(value):
            return True
        if not holder:
            return bool(
                is_a(value, FunctionType)
                and value.__name__ in self._returning
                and value.__module__ == self._target
            )
        owner = self._value(holder)
        if is_a(owner, ModuleType):
            # PEP 562.
            is_dynamic = last not in self._values and "__getattr__" in self._returning
            is_target = vars(owner).get("__name__") == self._target
            return bool(is_target and (is_dynamic or last in self._returning))
        return last in self._returning and self._is_method(holder, owner, last)

    def _runs_returning(self, value: Any) -> bool:
        """Tell whether the target made an object that leads to such a function, as a table does."""
        if value is None or is_a(value, str, int, ModuleType):
            return False
        if any(self._values.get(one) is value for one in self._returning):
            return True
        methods = [method_of(type(value), one) for one in self._returning if is_special(one)]
        return any(one is not None and one.__module__ == self._target for one in methods)

    def _is_method(self, holder: str, owner: Any, name: str) -> bool:
        """Tell whether a method of `owner`, or a property, may be the target's."""
        first = holder.partition(".")[0]
        if first not in self._by.namespace and first not in vars(builtins):
            # An object in a local variable, of which only the name of its method tells something.
            return not any(hasattr(kind, name) for kind in _CONTAINERS)
        kind = type(owner) if owner is None or not is_a(owner, type) else owner
        return any(base.__module__ == self._target for base in kind.__mro__)

    def _value(self, name: str) -> Any:
        """Return what a dotted name leads to, without asking any object for anything."""
        first, *rest = name.split(".")
        value: Any = self._by.namespace.get(first)
        for part in rest:
            if is_a(value, type):
                value = next((vars(k)[part] for k in value.__mro__ if part in vars(k)), None)
            elif is_a(value, ModuleType):
                value = vars(value).get(part)
            else:
                value = attributes(value).get(part)
        return value

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
            for name, namespace in self._live.items():
                if name != self._by.name and any(one is value for one in namespace.copy().values()):
                    yield name

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


def _names_any(text: bytes, names: frozenset[str]) -> bool:
    return any(is_special(name) or name.encode() in text for name in names)


# (digest of a source, a function of its text, that one's other arguments) -> the result.
_KNOWN: dict[tuple[Any, ...], Any] = {}
_MOST_KNOWN = 2_000


def _known(by: Source, read: Callable[..., _T], *others: frozenset[str]) -> _T:
    """Return `read(text, *others)`, which is computed once for each content."""
    key = (by.digest, read, *others)
    found = _KNOWN.get(key) if by.digest is not None else None
    if found is None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        found = _KNOWN[key] = read(by.text(), *others)
    return cast("_T", found)


def _imports(keeper: Keeper, package: str, target: str) -> bool:
    parent, _, tail = target.rpartition(".")
    for level, module, names in keeper.imports:
        base = package.split(".")
        start = base[: len(base) - level + 1] if level else []
        absolute = ".".join([*start, module] if module else start)
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
