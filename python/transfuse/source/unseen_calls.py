"""Which functions run without a call of their name in the source?

Special methods run by syntax (`table[key]`, `with`, an f-string), and functions that module-level
code has put into something (`{"rate": load}`, `partial(load, 1)`) by the name of that.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from transfuse.source.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

# Special methods whose result is dropped.
_WITHOUT_RESULT = frozenset(
    {"__init__", "__init_subclass__", "__set__", "__set_name__", "__exit__", "__aexit__"}
)
# Special methods, and the syntax by which they run.
_KINDS: tuple[tuple[frozenset[str], tuple[type[ast.AST], ...]], ...] = (
    (frozenset({"__get__", "__getattr__", "__getattribute__"}), (ast.Attribute,)),
    (frozenset({"__getitem__", "__missing__", "__class_getitem__"}), (ast.Subscript,)),
    (frozenset({"__call__", "__new__"}), (ast.Call,)),
    (frozenset({"__enter__", "__aenter__"}), (ast.With, ast.AsyncWith)),
    (frozenset({"__await__"}), (ast.Await,)),
    (
        frozenset({"__iter__", "__next__", "__aiter__", "__anext__"}),
        (ast.For, ast.AsyncFor, ast.Starred, ast.comprehension, ast.Call),
    ),
    (frozenset({"__str__", "__repr__", "__format__"}), (ast.JoinedStr, ast.BinOp)),
)
_NAMED = frozenset(name for names, _ in _KINDS for name in names)
# The syntax by which all others run.
_OPERATORS = (ast.BinOp, ast.Compare, ast.UnaryOp)
# Functions that run special methods of their arguments.
_TEXT = frozenset({"ascii", "format", "print", "repr", "str"})
_NUMBERS = frozenset(
    {"abs", "bool", "bytes", "complex", "divmod", "float", "hash", "int", "len", "pow", "round"}
)


def is_special(name: str) -> bool:
    """Tell whether a function of this name runs by syntax, and its result is used."""
    return name.startswith("__") and name.endswith("__") and name not in _WITHOUT_RESULT


def special_methods(node: ast.AST, names: frozenset[str]) -> frozenset[str]:
    """Return those of the special methods `names` that an expression may run by its syntax."""
    if not names:
        return names
    called = dotted(node) if isinstance(node, ast.Call) else ""
    shown = ast.JoinedStr([]) if called in _TEXT else node
    found = {name for methods, kinds in _KINDS if isinstance(shown, kinds) for name in methods}
    if isinstance(node, _OPERATORS) or called in _NUMBERS:
        found |= names - _NAMED
    return names & found


def holders(tree: ast.AST) -> dict[str, set[str]]:
    """Map the names that module-level code binds to the names in their values."""
    found: dict[str, set[str]] = {}
    for target, value in _bindings(tree):
        names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
        found.setdefault(target, set()).update(names)
    return found


def lambdas(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield each `lambda` that module-level code binds a name to, or puts into what it binds."""
    for target, value in _bindings(tree):
        for node in ast.walk(value):
            if isinstance(node, ast.Lambda):
                made = ast.parse(f"def {target}(): pass").body[0]
                assert isinstance(made, ast.FunctionDef)
                made.args, made.body = node.args, [ast.Return(node.body)]
                yield made


def _bindings(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                root: ast.expr = target
                while isinstance(root, (ast.Attribute, ast.Subscript)):
                    root = root.value
                if isinstance(root, ast.Name):
                    yield root.id, node.value
        elif isinstance(node, ast.stmt):
            yield from _bindings(node)
