"""Which guards stand inside a function, by the names that guards have?

They are made anew from their code, since the function has not been called. So they must be what
their code says: one plain `def`, with nothing around it, no defaults, and nothing from outside.
"""

from __future__ import annotations

import ast
from types import CodeType, FunctionType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from transfuse.publishing.describe_location import where
from transfuse.publishing.pages import loader_in

if TYPE_CHECKING:
    from collections.abc import Iterable

# Code of a function -> the names in it that one plain `def` binds and nothing else. Written by
# whichever thread comes first (all would write the same); entries leave with the code.
_plain: WeakKeyDictionary[CodeType, frozenset[str]] = WeakKeyDictionary()


def inside(function: FunctionType, names: Iterable[str]) -> dict[str, FunctionType]:
    """Return the functions of some names inside a function.

    Raises:
        TypeError: a name stands there for something that cannot be made anew.
    """
    code, found = function.__code__, {}
    for name in names:
        inner = [
            each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name
        ]
        is_local = name in code.co_varnames or name in code.co_cellvars
        if not inner and not is_local:
            continue
        # A name that is not local is declared `global`, and guards nothing before the first call.
        if (
            not is_local
            or len(inner) != 1
            or inner[0].co_freevars
            or name not in _plain_names(function)
        ):
            raise TypeError(
                f"{name} of {where(function)} is no function that stands for itself;"
                f" say {function.__name__}.{name} = ... below it"
            )
        found[name] = FunctionType(inner[0], function.__globals__, name)
    return found


def _plain_names(function: FunctionType) -> frozenset[str]:
    code = function.__code__
    found = _plain.get(code)
    if found is None:
        loader = loader_in(function.__globals__)
        # The source of a function that is not live need not be the source that runs.
        source = "" if loader is None or loader.digest is None else loader.get_source()
        found = _plain[code] = _read(source, code)
    return found


def _read(source: str, code: CodeType) -> frozenset[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            begins = min(each.lineno for each in (node, *node.decorator_list))
            if begins == code.co_firstlineno:
                return _of(node)
    return frozenset()


def _of(function: ast.AST) -> frozenset[str]:
    """Return the names that are bound once, by a plain `def`, in functions further in as well."""
    plain: set[str] = set()
    bound: list[str] = []
    for node in ast.walk(function):
        bound += _bound_by(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            if not node.decorator_list and not defaults:
                plain.add(node.name)
    return frozenset(name for name in plain if bound.count(name) == 1)


def _bound_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return node.names
    if isinstance(node, ast.alias):
        return [node.asname or node.name.partition(".")[0]]
    if isinstance(node, ast.arg):
        return [node.arg]
    # Functions, classes, `except ... as`, the captures of `match`.
    names = (getattr(node, field, None) for field in ("name", "rest"))
    return [name for name in names if isinstance(name, str)]
