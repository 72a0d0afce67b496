"""May a function have kept a plain value of a module that it imported?

A class or an object of it is found by a walk over what the importing module holds (the core's
`effects/retention.rs`). A number or a text is not: it belongs to no module. So the source of the
importing functions has to show that nothing plain outlives their calls. A value comes from the
import if it is computed from an imported name; it outlives the call if it is put into a global, an
attribute, a container that the function did not make, or a cache. In doubt it does.
"""

from __future__ import annotations

import dis
import threading
from contextvars import ContextVar
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.source.function_scan import Keeper, keepers

if TYPE_CHECKING:
    from transfuse.source.function_scan import Kept

# Decorators that keep what their functions return, by parts of their names.
_CACHES = ("cache", "lazy", "memo", "once", "persist", "singleton")
# Names in code that puts something into what it did not make.
_OPTIMIZED_STORES = frozenset({"append", "setdefault", "update", "add", "setattr", "__setattr__"})


def may_keep(
    source: tuple[bytes, int | None],
    by: tuple[str, bool, dict[str, Any]],
    imported: tuple[str, dict[str, Any]],
) -> bool:
    """Tell whether a function may have kept a plain value of a module.

    Args:
        source: the text of the importing module, and its digest.
        by: that module's name, whether it is a package, and its namespace.
        imported: the name and the namespace of the imported module.
    """
    text, digest = source
    name, is_package, namespace = by
    package = name if is_package else name.rpartition(".")[0]
    found = _by_digest(digest, text) if digest is not None else keepers(text)
    target, values = imported
    return any(
        _imports(keeper, package, target)
        and (
            any(_is_plain(kept, namespace, values) for kept in keeper.kept)
            or any(_caches(decorator, namespace) for decorator in keeper.decorators)
        )
        for keeper in found
    )


@lru_cache(maxsize=512)
def _by_digest(_digest: int, text: bytes) -> tuple[Keeper, ...]:
    return keepers(text)


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


def _is_plain(kept: Kept, namespace: dict[str, Any], values: dict[str, Any]) -> bool:
    """Tell whether what is kept can be a plain value, or be where no walk finds it."""
    if _is_a(namespace.get(kept.root), ModuleType, threading.local, ContextVar):
        return True
    if not kept.name:
        return True
    value = values.get(kept.name, kept)
    if kept.called:
        return not _is_a(value, type)
    return not _is_a(value, type, FunctionType, ModuleType) and value is not kept


def _is_a(value: object, *kinds: type) -> bool:
    # A proxy is not asked for its class: it would look up the object that it stands for.
    return issubclass(type(value), kinds)


def _caches(decorator: str, namespace: dict[str, Any]) -> bool:
    """Tell whether a decorator may keep what its function returns."""
    if any(word in decorator.lower() for word in _CACHES):
        return True
    first, *rest = decorator.split(".")
    value: Any = namespace.get(first)
    for part in rest:
        value = vars(value).get(part) if _is_a(value, type, ModuleType) else None
    if _is_a(value, type):
        methods = (
            vars(kind).get(name) for kind in value.__mro__ for name in ("__call__", "__get__")
        )
        return any(_is_a(one, FunctionType) and _stores(one.__code__) for one in methods)
    if _is_a(value, FunctionType):
        inner = (one for one in value.__code__.co_consts if _is_a(one, CodeType))
        return any(_stores(code) for code in inner)
    return False


def _stores(code: CodeType) -> bool:
    """Tell whether code puts something into what it did not make, or code in it does."""
    for step in dis.get_instructions(code):
        if step.opname in {"STORE_SUBSCR", "STORE_ATTR", "STORE_GLOBAL"}:
            return True
        if step.opname == "STORE_DEREF" and step.argval in code.co_freevars:
            return True
        if step.argval in _OPTIMIZED_STORES and step.opname.startswith("LOAD_"):
            return True
    return any(_stores(one) for one in code.co_consts if isinstance(one, CodeType))
