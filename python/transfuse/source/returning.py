"""Which names in a source lead to functions of another module that return what they import?

Asked of many sources at once. Most turn out to use no such function by the words in their code,
so that they need not be parsed.
"""

from __future__ import annotations

import builtins
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from transfuse.source.analyses import Source, known
from transfuse.source.code_words import Words, may_give
from transfuse.source.function_scan import names_used
from transfuse.source.static_members import attributes, method_of
from transfuse.source.stores import is_a
from transfuse.source.unseen_calls import is_special

if TYPE_CHECKING:
    from collections.abc import Mapping

# Types whose methods have names that other classes use, too.
_CONTAINERS = (bytes, dict, list, set, str, tuple)
# Types whose objects lead to no function.
_PLAIN = (type(None), str, bytes, int, float)
# The most objects that are looked at, before a source is parsed instead.
_MOST_SEEN = 500


class ReturningFunctions:
    """The functions of a module that return what they import, as another module uses them.

    Args:
        by: the module that may use them.
        target: the name of the module that has them.
        values: its namespace.
        returning: their names, and those of what holds them.
    """

    def __init__(
        self, by: Source, target: str, values: dict[str, Any], returning: frozenset[str]
    ) -> None:
        self._by, self._target, self._values, self._returning = by, target, values, returning

    def names(self, words: Words | None) -> frozenset[str]:
        """Return the names in the source that lead to them; none if no function of it can use them.

        Args:
            words: of its code, if that is known.
        """
        if words is not None and not self._may_be_used(words):
            return frozenset()
        return frozenset(
            name for name in known(self._by, _names_used) if self._is_returning_name(name)
        )

    def _may_be_used(self, words: Words) -> bool:
        """Tell whether functions, or calls that get a function, may use one."""
        if not self._returning.isdisjoint(words.inside):
            return True
        if known(self._by, _may_give, self._returning & words.outside):
            return True
        return self._lead_to_one((words.inside | words.outside) - self._returning)

    def _lead_to_one(self, words: frozenset[str]) -> bool:
        """Tell whether names and attributes lead to such a function, or an object that runs one."""
        waiting = _named(self._by.namespace, words)
        seen: dict[int, Any] = {}
        while waiting:
            value = waiting.pop()
            if id(value) in seen or is_a(value, *_PLAIN):
                continue
            # PEP 562.
            is_dynamic = is_a(value, ModuleType) and "__getattr__" in self._returning
            found = self._runs_one(value) or self._is_one(value)
            if found or is_dynamic or len(seen) > _MOST_SEEN:
                return True
            # It stays alive, so that its address is its own.
            seen[id(value)] = value
            for space in _spaces(value):
                waiting += _named(space, words)
        return False

    def _is_returning_name(self, name: str) -> bool:
        holder, _, last = name.rpartition(".")
        if last not in self._returning and name.partition(".")[0] not in self._by.namespace:
            # It leads to nothing that is known.
            return False
        value = value_of(self._by.namespace, name)
        if self._runs_one(value):
            return True
        if not holder:
            return self._is_one(value)
        owner = value_of(self._by.namespace, holder)
        if is_a(owner, ModuleType):
            # PEP 562.
            is_dynamic = last not in self._values and "__getattr__" in self._returning
            is_target = vars(owner).get("__name__") == self._target
            return bool(is_target and (is_dynamic or last in self._returning))
        return last in self._returning and self._is_method(holder, owner, last)

    def _is_one(self, value: Any) -> bool:
        return bool(
            is_a(value, FunctionType)
            and value.__name__ in self._returning
            and value.__module__ == self._target
        )

    def _runs_one(self, value: Any) -> bool:
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


def value_of(namespace: dict[str, Any], name: str) -> Any:
    """Return what a dotted name leads to, without asking any object for anything."""
    first, *rest = name.split(".")
    value: Any = namespace.get(first)
    for part in rest:
        if is_a(value, type):
            value = next((vars(k)[part] for k in value.__mro__ if part in vars(k)), None)
        elif is_a(value, ModuleType):
            value = vars(value).get(part)
        else:
            value = attributes(value).get(part)
    return value


def _spaces(value: object) -> list[Mapping[str, Any]]:
    """Return the attributes that an object has, without asking it for them."""
    if is_a(value, type):
        return [vars(kind) for kind in cast("type", value).__mro__]
    return [vars(value) if is_a(value, ModuleType) else attributes(value)]


def _named(space: Mapping[str, Any], words: frozenset[str]) -> list[Any]:
    """Return the values of these names. Most attributes are few, and some namespaces are large."""
    if len(space) < len(words):
        return [value for name, value in list(space.items()) if name in words]
    return [space.get(name) for name in words if name in space]


def _may_give(by: Source, names: frozenset[str]) -> bool:
    return may_give(by.text(), names)


def _names_used(by: Source) -> frozenset[str]:
    return names_used(by.text())
