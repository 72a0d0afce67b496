"""When does an engine that a module made close its connections?

An engine keeps its connections for as long as something refers to it, and SQLAlchemy itself refers
to much of a former module. So the core calls `release` when a former module is disposed of. The
engine stays usable: its remaining users connect anew, and a connection that is in use is closed
when it comes back. A database in memory is its connection, so that one is left alone. An
asynchronous engine closes connections in its own event loop only, and is left to that. Nothing here
imports SQLAlchemy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# The packages whose objects hold engines: `sessionmaker`, and Flask-SQLAlchemy's `SQLAlchemy`.
_MAKERS = frozenset({"flask_sqlalchemy", "sqlalchemy"})


def release(former: list[dict[str, Any]]) -> None:
    """Close the connections that only the engines of former modules hold.

    Args:
        former: the namespaces of these modules.
    """
    if "sqlalchemy.engine.base" not in sys.modules:
        return
    found = {id(each): each for namespace in former for each in engines(namespace)}
    if not found:
        return
    # Carried, or taken by a module that goes on.
    for module in list(sys.modules.values()):
        if type(module).__module__ == "transfuse._core":
            for used in engines(vars(module)):
                found.pop(id(used), None)
    for engine in found.values():
        if not is_in_memory(engine):
            engine.dispose()


def unmap(given_up: list[dict[str, Any]], in_use: list[dict[str, Any]]) -> None:
    """Take the mapped classes of executions that were staged in vain out of their registries.

    ``configure_mappers()`` goes through all registries of the process.

    Args:
        given_up: the namespaces of these executions.
        in_use: the namespaces of all others.
    """
    kept = {id(each) for namespace in in_use for each in _registries(namespace)}
    for each in {id(one): one for namespace in given_up for one in _registries(namespace)}.values():
        if id(each) not in kept:
            each.dispose()


def _registries(namespace: dict[str, Any]) -> Iterator[Any]:
    """Yield the registries of mapped classes that a namespace names, or a base class in it."""
    kind = getattr(sys.modules.get("sqlalchemy.orm.decl_api"), "registry", None)
    for value in list(namespace.values()):
        # Mapped classes inherit it.
        bases = value.__mro__ if issubclass(type(value), type) else ()
        for each in [value, *(vars(base).get("registry") for base in bases)]:
            if kind is not None and type(each) is kind:
                yield each


def engines(namespace: dict[str, Any]) -> Iterator[Any]:
    """Yield the synchronous engines that a namespace names, or that its sessions are bound to."""
    kind = sys.modules["sqlalchemy.engine.base"].Engine
    values = list(namespace.values())
    # Most values have one of a few types. A class may be unhashable.
    types = {id(each): each for each in map(type, values)}.values()
    holders = {id(each) for each in types if _is_maker(each)}
    for value in values:
        if type(value) is kind:
            yield value
            continue
        # Nothing is asked: a value may be a proxy, or made when it is first used.
        held = _own(value) if id(type(value)) in holders else {}
        bound = [held["kw"].get("bind")] if "kw" in held else []
        # Flask-SQLAlchemy's engines, by application and bind.
        for of_application in list(held.get("_app_engines", {}).values()):
            bound += of_application.values()
        yield from (each for each in bound if type(each) is kind)


def _is_maker(kind: type) -> bool:
    return str(getattr(kind, "__module__", "")).partition(".")[0] in _MAKERS


def _own(value: Any) -> dict[str, Any]:
    # Many of SQLAlchemy's objects have slots.
    return getattr(value, "__dict__", {}) if type(value) is not type else {}


def is_in_memory(engine: Any) -> bool:
    """Whether an engine's database is in memory, and so one of each connection."""
    return engine.dialect.name == "sqlite" and engine.url.database in (None, "", ":memory:")
