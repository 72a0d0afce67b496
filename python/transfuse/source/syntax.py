"""Parts of the syntax tree that several readers of functions need."""

from __future__ import annotations

import ast


def dotted(node: ast.expr) -> str:
    """Return the dotted name of an expression, such as ``functools.lru_cache``.

    A call has the name of its function. Other expressions have an empty name.
    """
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes directly below a node, in order, without operators and contexts."""
    kind = type(node)
    fields = _FIELDS.get(kind)
    if fields is None:
        # The others hold texts and numbers only, or nodes that are the same for all.
        fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _PLAIN)
    found: list[ast.AST] = []
    for name in fields:
        child = getattr(node, name, None)
        if type(child) is list:
            found += [one for one in child if isinstance(one, ast.AST)]
        elif isinstance(child, ast.AST):
            found.append(child)
    return found


# Type of a node -> its fields that may hold nodes.
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
_PLAIN = frozenset(
    {"asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "lineno", "module"}
    | {"op", "ops", "simple", "tag", "type_comment"}
)


def named_by(statement: ast.stmt) -> list[str]:
    """Return the modules that an import statement names, as written: `..shop`."""
    if isinstance(statement, ast.Import):
        return [one.name for one in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return ["." * statement.level + (statement.module or "")]
    return []
