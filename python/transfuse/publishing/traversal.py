"""Finds the function that the names of a path lead to.

The rule, for each name in turn. It lists the objects that can be reached; every other is a 404.

- A page has the names that its current source defines. A function counts if its globals are the
  page's; a `def` with a decorator, if what it wraps is such a function.
- An object is walked into if its class is made by a class statement, at module level, in the
  current source of a live module under the folder. It has the functions that its classes of that
  kind define, and objects: those that these classes define, and those that are set on it.
- A class counts if it says `__publish__ = True` itself. An object is made of it for the request.
- A function has no names. Data is not published.

Nothing is reached by `getattr`: no property, `__getattr__` or metaclass takes part.
"""

from __future__ import annotations

import functools
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.publishing.guards import of_class, of_function, of_namespace, of_object
from transfuse.publishing.http_errors import not_found
from transfuse.publishing.pages import own_names
from transfuse.publishing.paths import INDEX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from transfuse.publishing.executor import Running
    from transfuse.publishing.guards import Guard
    from transfuse.publishing.pages import Page, Pages

# Set in a class that is to be published.
PUBLISH = "__publish__"

_CACHED: type[Any] = type(functools.lru_cache(int))
_MISSING = object()
_SETTING = ("__set__", "__delete__")
# How often a function may be wrapped.
_WRAPPINGS = 32


class _Reached(NamedTuple):
    """The object that a name leads to.

    Attributes:
        value: a function, a bound method, a class or an object.
        plain: the function, where it is one.
    """

    value: Any
    plain: Any = None


async def find(
    page: Page,
    names: tuple[str, ...],
    *,
    pages: Pages,
    running: Running,
    ask: Callable[[Guard], Awaitable[None]],
    calls: bool = True,
) -> Callable[..., Any]:
    """Return the function that names lead to.

    Args:
        page: where to begin.
        names: such as ``("catalogue", "show")``; if they end before a function, it is `index`.
        pages: of the folder.
        running: makes objects of published classes.
        ask: called at each step, before the next name is looked for; raises Refused.
        calls: whether the function is to be called; if not, no object is made in vain.

    Raises:
        Refused: 404, or what `ask` raises.
    """
    await ask(of_namespace(page.namespace))
    rest = list(names) or [INDEX]
    reached = _of_page(page, rest.pop(0))
    # An object at the end of a path is asked for its index, once.
    indexed = not names
    while reached.plain is None:
        value, asked = reached.value, None
        if issubclass(type(value), type):
            _insist_on_published(value, page, pages)
            asked, whole = of_class(value)
            await ask(asked)
            coming = rest or [INDEX] * (not indexed)
            if whole and not calls and len(coming) == 1:
                alone = _of_class_alone(value, coming[0], pages)
                if alone is not None:
                    rest, reached = [], alone
                    break
            value = await running.call(value)
        _insist_on_walkable(value, pages)
        await ask(of_object(value).beyond(asked))
        if not rest:
            if indexed:
                raise not_found(f"{type(value).__name__} is not a function")
            rest, indexed = [INDEX], True
        reached = _of_object(value, rest.pop(0), pages)
    if rest:
        raise not_found(f"{reached.plain.__name__} is a function; what it has is not published")
    for guard in of_function(reached.plain):
        await ask(guard)
    function: Callable[..., Any] = reached.value
    return function


def _of_page(page: Page, name: str) -> _Reached:
    value = page.namespace.get(name, _MISSING)
    if value is _MISSING or name not in page.defines.names:
        raise not_found(f"the source of {page.module.__name__} does not define {name}")
    if _is_function(value):
        _insist_on_own(value, name, page, decorated=name in page.defines.decorated)
        return _Reached(value, value)
    return _Reached(value)


def _of_object(value: Any, name: str, pages: Pages) -> _Reached:
    # In Python's own order, so that a path leads to the same object as an expression in the source.
    cls = type(value)
    raw, owner = _in_classes(cls, name)
    if raw is _MISSING or not _is_data_descriptor(raw):
        held = _held_by(value).get(name, _MISSING)
        if held is not _MISSING or raw is _MISSING:
            return _held(held, name, cls)
    return _of_class(value, name, raw, owner, pages)


def _of_class_alone(cls: type[Any], name: str, pages: Pages) -> _Reached | None:
    """Return the function that a class has under a name, unbound; None if only an object knows."""
    raw, owner = _in_classes(cls, name)
    if raw is _MISSING or type(raw) is MemberDescriptorType:
        return None
    found = _of_class(None, name, raw, owner, pages)
    return None if found.plain is None else found


def _in_classes(cls: type[Any], name: str) -> tuple[Any, type[Any]]:
    for owner in cls.__mro__:
        raw = own_names(owner).get(name, _MISSING)
        if raw is not _MISSING:
            return raw, owner
    return _MISSING, cls


def _held_by(value: Any) -> Mapping[str, Any]:
    """Return the attributes set on an object, past its class: `__dict__` may be anything.

    Nothing, where a class has put something else in place of the real one.
    """
    for owner in type(value).__mro__:
        real = own_names(owner).get("__dict__")
        if type(real) is GetSetDescriptorType:
            held: Mapping[str, Any] = real.__get__(value, owner)
            return held
    return {}


def _is_data_descriptor(raw: Any) -> bool:
    return any(each in own_names(cls) for cls in type(raw).__mro__ for each in _SETTING)


def _of_class(value: Any, name: str, raw: Any, owner: type[Any], pages: Pages) -> _Reached:
    page = pages.of_class(owner)
    if page is None:
        raise not_found(f"{owner.__qualname__}.{name} is of a class that no page defines")
    if type(raw) is MemberDescriptorType:
        try:
            return _held(raw.__get__(value, owner), name, owner)
        except AttributeError:
            raise not_found(f"{owner.__qualname__}.{name} is not set") from None
    defines = page.defines.classes[owner.__qualname__]
    if name not in defines.names:
        raise not_found(f"the source of {owner.__qualname__} does not define {name}")
    # Exactly these: a subclass may bind to any object.
    function = raw.__func__ if type(raw) in (staticmethod, classmethod) else raw
    if _is_function(function):
        _insist_on_own(function, name, page, decorated=name in defines.decorated)
        # Without an object nothing is bound: the function is not going to be called.
        bound = function if value is None else raw.__get__(value, type(value))
        return _Reached(bound, function)
    if any("__get__" in own_names(cls) for cls in type(raw).__mro__):
        raise not_found(f"{owner.__qualname__}.{name} is not what it would be if it was asked for")
    return _held(raw, name, owner)


def _held(value: Any, name: str, owner: type[Any]) -> _Reached:
    """What an object has, or a class beside its functions: objects, and nothing that runs."""
    if value is _MISSING or _is_function(value) or issubclass(type(value), type):
        raise not_found(f"{owner.__qualname__} has no object {name}")
    return _Reached(value)


def _is_function(value: Any) -> bool:
    return type(value) is FunctionType or type(value) is _CACHED


def _insist_on_own(function: Any, name: str, page: Page, *, decorated: bool) -> None:
    """Raise a refusal if a function is not one that this page's source made."""
    inner = function
    for _ in range(_WRAPPINGS):
        if type(inner) is FunctionType and inner.__globals__ is page.namespace:
            return
        if not decorated:
            break
        inner = vars(inner).get("__wrapped__")
        if not _is_function(inner):
            break
    raise not_found(f"{name} was not made by the source of {page.module.__name__}")


def _insist_on_published(cls: type[Any], page: Page, pages: Pages) -> None:
    own = pages.of_class(cls)
    if own is None or own.module is not page.module:
        raise not_found(f"{cls.__qualname__} is a class that this page does not define")
    if issubclass(cls, (type, ModuleType)):
        raise not_found(f"{cls.__qualname__} makes classes or modules")
    if own_names(cls).get(PUBLISH) is not True:
        raise not_found(f"{cls.__qualname__} is a class and does not say {PUBLISH} = True")


def _insist_on_walkable(value: Any, pages: Pages) -> None:
    cls = type(value)
    if issubclass(cls, (type, ModuleType)) or pages.of_class(cls) is None:
        raise not_found(f"{cls.__qualname__} is no class of a page")
