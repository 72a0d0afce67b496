"""Which names does a source define?

Read off the source, not off the namespace: a name there may have been imported, set by another
module, or carried over from an earlier source.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Definitions:
    """The names that the body of a module, or of a class, binds by `def`, `class` or assignment.

    Attributes:
        names: such as ``{"show", "Catalogue", "catalogue"}``. Names that an import statement of the
            same body binds as well are not among them, nor names before a star import.
        decorated: those of them that a `def` with a decorator binds.
        classes: for each name that a class statement binds, the definitions of its body.
    """

    names: frozenset[str]
    decorated: frozenset[str]
    classes: dict[str, Definitions]


def read(source: str) -> Definitions:
    """Return the definitions of a source at module level, `if`, `try` and the like included."""
    return _of(ast.parse(source).body)


@dataclass
class _Notes:
    """The names seen so far in one body."""

    names: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    decorated: set[str] = field(default_factory=set)
    bodies: dict[str, list[ast.stmt]] = field(default_factory=dict)


def _of(body: list[ast.stmt]) -> Definitions:
    notes = _Notes()
    for statement in body:
        _note(statement, notes)
    names = notes.names - notes.imported
    return Definitions(
        frozenset(names),
        frozenset(names & notes.decorated),
        {name: _of(inner) for name, inner in notes.bodies.items() if name in names},
    )


def _note(node: ast.AST, notes: _Notes) -> None:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        notes.names.add(node.name)
        if node.decorator_list:
            notes.decorated.add(node.name)
    elif isinstance(node, ast.ClassDef):
        notes.names.add(node.name)
        notes.bodies.setdefault(node.name, []).extend(node.body)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if node.value is not None:
            notes.names.update(*(_bound(target) for target in targets))
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        notes.imported.update(each.asname or each.name.partition(".")[0] for each in node.names)
        if any(each.name == "*" for each in node.names):
            # It may have bound any of them anew.
            notes.names.clear()
    else:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                _note(inner, notes)


def _bound(target: ast.expr) -> set[str]:
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Starred):
        return _bound(target.value)
    if isinstance(target, (ast.Tuple, ast.List)):
        return {name for each in target.elts for name in _bound(each)}
    return set()
