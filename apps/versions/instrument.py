"""How does a function say which version of its module it is?

The first statement after its docstring is a call of `apps.inside.hits.hit`, with the name of the
function and the version.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

# No star import takes a name with an underscore, and no class mangles one with a single underscore.
_CALLED = "_transfuse_apps_hit"
_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef)


def instrumented(source: str, module: str, version: int) -> str:
    """Return the source of a version of a module whose functions say that they run.

    Raises:
        SyntaxError: it does not compile.
    """
    tree = _Instrumenter(module, version).visit(ast.parse(source))
    at = _after_docstring(tree.body)
    while at < len(tree.body) and _is_future(tree.body[at]):
        at += 1
    imported = ast.ImportFrom("transfuse_apps.hits", [ast.alias("hit", _CALLED)], 0)
    tree.body.insert(at, imported)
    # So that a module without functions differs in each version, too.
    text = f"{ast.unparse(ast.fix_missing_locations(tree))}\n_transfuse_apps_version = {version}\n"
    compile(text, module, "exec", dont_inherit=True)
    return text


class _Instrumenter(ast.NodeTransformer):
    """Puts a call into each function, also into methods and into functions in functions."""

    def __init__(self, module: str, version: int) -> None:
        self._module, self._version = module, version
        # The names of the classes and functions around the node that is visited.
        self._names: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._names.append(node.name)
        self.generic_visit(node)
        self._names.pop()
        return node

    def _function(self, node: _Function) -> _Function:
        self._names.append(node.name)
        self.generic_visit(node)
        function = f"{self._module}:{'.'.join(self._names)}"
        self._names.pop()
        told: list[ast.expr] = [ast.Constant(function), ast.Constant(self._version)]
        call = ast.Expr(ast.Call(ast.Name(_CALLED, ast.Load()), told, []))
        node.body.insert(_after_docstring(node.body), call)
        return node


def _after_docstring(body: Sequence[ast.stmt]) -> int:
    first = body[0] if body else None
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return 0
    return int(isinstance(first.value.value, str))


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
