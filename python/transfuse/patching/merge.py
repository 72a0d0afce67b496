"""Which object of the old namespace becomes which one of the new?

An object that keeps its name and kind keeps its identity: a function takes the other one's code, a
class its methods (`classes`), a wrapper of the same decorator the other one's wrapped function. All
else is data, and gets the new value.
"""

from __future__ import annotations

import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.patching.references import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import CellType, ModuleType
    from typing import TypeGuard

    from transfuse.patching.change import Change

# Attributes of functions that the new source decides; those that an interpreter has not are left.
_OF_FUNCTIONS = (
    "__code__",
    "__defaults__",
    "__kwdefaults__",
    "__doc__",
    "__name__",
    "__qualname__",
    "__module__",
    "__type_params__",
)
# Names that the import system sets on each module object.
_OWNED = frozenset(
    f"__{each}__"
    for each in ("name", "loader", "spec", "package", "path", "file", "cached", "builtins")
)
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LRU_CACHE = type(functools.lru_cache(lambda: None))


class Run(NamedTuple):
    """A module whose new source was run beside it.

    Attributes:
        name: its dotted name.
        stays, ran: the module object that stays, and the one that the new source was run in.
        defined: names that the old source defined; those that the new one lacks are dropped.
    """

    name: str
    stays: ModuleType
    ran: ModuleType
    defined: Collection[str]


class Merge:
    """One comparison of two namespaces.

    Attributes:
        name: the module.
        old, new: the namespaces.
        values: what its names will refer to.
        change: the steps found so far, for all modules.
        kept: id of a new object -> it and the old one that stands for it, for all modules.
        merge_class: `classes.merge_class`, which imports this file.
    """

    def __init__(
        self,
        run: Run,
        change: Change,
        kept: dict[int, tuple[Any, Any]],
        merge_class: Callable[[Merge, type, type, str], bool],
    ) -> None:
        self.name = run.name
        self.old = vars(run.stays)
        self.new = vars(run.ran)
        self.values: dict[str, Any] = {}
        self.change = change
        self.kept = kept
        self.merge_class = merge_class
        self._defined = run.defined
        # Pairs that were compared or are being compared, so that cycles end.
        self._seen: dict[tuple[int, int], Any] = {}
        kept[id(run.ran)] = (run.ran, run.stays)

    def compare(self) -> None:
        """Find the object that each name will refer to."""
        self.values = {key: self.named(key, value) for key, value in self.new.items()}

    def conclude(self) -> None:
        """Write down the names themselves."""
        for key, value in self.values.items():
            if key not in _OWNED and not _stands_in(self.old.get(key)):
                self.change.put(self.old, key, standing(self.kept, value))
        for key in [key for key in self.old if key in self._defined and key not in self.new]:
            self.means_another(key)
            self.change.drop(self.old, key)

    def named(self, name: str, new: Any) -> Any:
        """Return the object that a global name will refer to, and note whether it is another."""
        old, before = self.old.get(name), len(self.change.steps)
        value = self.value(old, new, name)
        if value is not old:
            self.means_another(name)
        elif len(self.change.steps) > before and not _is_class(value):
            self.change.changed[self.name].add(name)
        return value

    def means_another(self, name: str) -> None:
        """Note that a name stands for something else from now on, if it does."""
        old, new = self.old.get(name), self.new.get(name)
        plain = type(old) is type(new) and type(new) in _PLAIN and old == new
        if name not in _OWNED and not plain:
            self.change.changed[self.name].add(name)
            if old is not None:
                self.change.replaced[self.name].append(old)

    def value(self, old: Any, new: Any, where: str) -> Any:
        """Return the object that a name will refer to: the old one if it can take over.

        Args:
            old: the old value, or None.
            new: the value that the new source made.
            where: the qualified name, for notes, such as ``"Basket.total"``.
        """
        if old is None or old is new or not _same_kind(old, new):
            return new
        if self.standing(new) is old:
            return old
        pair = (id(old), id(new))
        if pair not in self._seen:
            self._seen[pair] = new
            # While a class is being compared, references back to it find the old one.
            if self.is_class(old) and self.is_class(new):
                self._seen[pair] = old
                self.kept[id(new)] = (new, old)
            stays = self._take_over(old, new, where)
            self._seen[pair] = old if stays else new
            if stays:
                self.kept[id(new)] = (new, old)
            else:
                self.kept.pop(id(new), None)
        return self._seen[pair]

    def standing(self, new: Any) -> Any:
        """Return the old object that stands for a new one, or the new one itself."""
        return standing(self.kept, new)

    def is_class(self, value: object) -> bool:
        """Whether it is a class of this module."""
        return _is_class(value) and value.__module__ == self.name

    def _take_over(self, old: Any, new: Any, where: str) -> bool:
        for kind, take_over in _TAKE_OVER.items():
            if issubclass(type(old), kind):
                return take_over(self, old, new, where)
        return False

    def _class(self, old: type, new: type, where: str) -> bool:
        return self.is_class(old) and self.is_class(new) and self.merge_class(self, old, new, where)

    def _bound(self, old: Any, new: Any, where: str) -> bool:
        return self.value(old.__func__, new.__func__, where) is old.__func__

    def _property(self, old: property, new: property, where: str) -> bool:
        parts = ("fget", "fset", "fdel")
        return self._parts(old, new, parts, where) and old.__doc__ == new.__doc__

    def _cached_property(self, old: Any, new: Any, where: str) -> bool:
        return self._parts(old, new, ("func",), where)

    def _parts(self, old: Any, new: Any, names: tuple[str, ...], where: str) -> bool:
        for name in names:
            before, after = getattr(old, name), getattr(new, name)
            if self.value(before, after, where) is not before:
                return False
        return True

    def _cached(self, old: Any, new: Any, where: str) -> bool:
        if old.cache_parameters() != new.cache_parameters():
            return False
        if self.value(old.__wrapped__, new.__wrapped__, where) is not old.__wrapped__:
            return False
        # Its entries were computed by the old code.
        self.change.call(old.cache_clear)
        return True

    def _function(self, old: FunctionType, new: FunctionType, where: str) -> bool:
        ours = old.__globals__ is self.old and new.__globals__ is self.new
        if not ours and old.__code__ is not new.__code__:
            return False
        if old.__code__.co_freevars != new.__code__.co_freevars:
            # Methods are looked up on their class, so a new one serves as well.
            if "." not in where:
                self.change.note(
                    self.name,
                    f"{where} closes over other variables than before, so it was replaced: "
                    "who took the old function keeps the old code",
                )
            return False
        self._closure(old, new, where)
        change = self.change
        if old.__code__ != new.__code__:
            change.code.append(old.__code__)
        for name in _OF_FUNCTIONS:
            if hasattr(new, name):
                change.attribute(old, name, getattr(new, name))
        change.annotations(old, new)
        attributes = {
            key: self.value(old.__dict__.get(key), value, f"{where}.{key}")
            for key, value in new.__dict__.items()
        }
        if attributes or old.__dict__:
            change.attribute(old, "__dict__", attributes)
        return True

    def _closure(self, old: FunctionType, new: FunctionType, where: str) -> None:
        for before, after in zip(old.__closure__ or (), new.__closure__ or (), strict=True):
            value = contents(after)
            if value is not EMPTY:
                merged = self.value(_or_none(before), value, where)
                self.change.cell(before, merged)


# Kinds whose old object can take over from the new one, and how.
_TAKE_OVER: dict[type, Callable[[Merge, Any, Any, str], bool]] = {
    FunctionType: Merge._function,
    type: Merge._class,
    staticmethod: Merge._bound,
    classmethod: Merge._bound,
    property: Merge._property,
    functools.cached_property: Merge._cached_property,
    _LRU_CACHE: Merge._cached,
}

EMPTY = object()


def contents(cell: CellType) -> Any:
    """Return the value of a cell, or `EMPTY`."""
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY


def _or_none(cell: CellType) -> Any:
    held = contents(cell)
    return None if held is EMPTY else held


def _same_kind(old: object, new: object) -> bool:
    if _is_class(old):
        return _is_class(new)
    return type(old) is type(new)


def _is_class(value: object) -> TypeGuard[type[Any]]:
    # `isinstance` would evaluate a lazy object.
    return issubclass(type(value), type)


def _stands_in(value: object) -> bool:
    """Whether it is ours, and answers for a package whose generations disagree."""
    return type(value).__module__ == "transfuse._core"
