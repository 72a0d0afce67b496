"""How is a module's body kept from binding names whose values were carried?

`drop_bindings` rewrites a syntax tree: it removes module-level statements that bind a carried name,
or has them bind nothing. It goes into the blocks of `if`, `try`, `with`, loops and `match` at
module level, and never into functions and classes. `from x import *` binds names that are not in
the source, so it stays as it is.

A target that must stay becomes the subscript ``{}[0]``: it takes a value, drops it, and binds no
name.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_Node = TypeVar("_Node", bound=ast.AST)


def drop_bindings(tree: ast.Module, carried: frozenset[str]) -> ast.Module:
    """Change `tree` in place so that running it binds none of the names in `carried`.

    Args:
        tree: a parsed module.
        carried: global names, such as ``{"cache", "lock"}``.

    Returns:
        The removed statements, as a module of their own: it is not run, but must still compile.
    """
    first = tree.body[0] if tree.body else None
    visitor = _LeaveOut(carried)
    tree.body = visitor.block(tree.body)
    if first is not None and (not tree.body or tree.body[0] is not first):
        # A string that comes to stand first would turn into the module's docstring.
        tree.body.insert(0, ast.copy_location(ast.Pass(), first))
    return ast.Module(body=visitor.left_out, type_ignores=[])


class _LeaveOut(ast.NodeTransformer):
    def __init__(self, carried: frozenset[str]) -> None:
        self.carried = carried
        # Statements that were removed whole and contain code of the user's.
        self.left_out: list[ast.stmt] = []

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in statements:
            result = self.visit(statement)
            if result is not None:
                kept.append(result)
        return kept

    def filled(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The same for a block that must not become empty."""
        return self.block(statements) or [ast.copy_location(ast.Pass(), statements[0])]

    def without(self, statement: ast.stmt) -> ast.stmt | None:
        self.left_out.append(statement)
        return None

    # Statements that only bind.

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        if self.is_carried_only(node.targets) and not self.binds_others(node.value):
            return self.without(node)
        node.value = self.visit(node.value)
        node.targets = [self.target(target) for target in node.targets]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if isinstance(node.target, ast.Name) and node.target.id in self.carried:
            if node.value is not None:
                self.without(ast.copy_location(ast.Expr(value=node.value), node))
            node.value = None
            return node
        return self.generic(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt | None:
        if isinstance(node.target, ast.Name) and node.target.id in self.carried:
            return self.without(node)
        return self.generic(node)

    def visit_Delete(self, node: ast.Delete) -> ast.stmt | None:
        node.targets = [
            kept for target in node.targets if (kept := self.deleted(target)) is not None
        ]
        return node if node.targets else None

    def deleted(self, target: ast.expr) -> ast.expr | None:
        if isinstance(target, ast.Name):
            return None if target.id in self.carried else target
        if isinstance(target, (ast.Tuple, ast.List)) and target.elts:
            target.elts = [k for each in target.elts if (k := self.deleted(each)) is not None]
            return target if target.elts else None
        return target

    def visit_Import(self, node: ast.Import) -> ast.stmt | None:
        node.names = [
            alias
            for alias in node.names
            if (alias.asname or alias.name.partition(".")[0]) not in self.carried
        ]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        if node.module != "__future__":
            node.names = [
                alias for alias in node.names if (alias.asname or alias.name) not in self.carried
            ]
        return node if node.names else None

    def visit_TypeAlias(self, node: Any) -> ast.stmt | None:  # ast.TypeAlias is new in 3.12
        return None if node.name.id in self.carried else cast("ast.stmt", node)

    # Definitions: their bodies are other scopes, but decorators and defaults are not.

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt | None:
        if node.name in self.carried:
            return self.without(node)
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self.defaults(node.args)
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = definition

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt | None:
        if node.name in self.carried:
            return self.without(node)
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.bases = [self.visit(each) for each in node.bases]
        node.keywords = [self.visit(each) for each in node.keywords]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.defaults(node.args)
        return node

    def defaults(self, args: ast.arguments) -> None:
        args.defaults = [self.visit(each) for each in args.defaults]
        args.kw_defaults = [each and self.visit(each) for each in args.kw_defaults]

    # Statements with blocks.

    def visit_If(self, node: ast.If) -> ast.stmt:
        node.test = self.visit(node.test)
        node.body, node.orelse = self.filled(node.body), self.block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        node.test = self.visit(node.test)
        node.body, node.orelse = self.filled(node.body), self.block(node.orelse)
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        node.iter, node.target = self.visit(node.iter), self.target(node.target)
        node.body, node.orelse = self.filled(node.body), self.block(node.orelse)
        return node

    def visit_With(self, node: ast.With) -> ast.stmt:
        for item in node.items:
            item.context_expr = self.visit(item.context_expr)
            if item.optional_vars is not None:
                item.optional_vars = self.target(item.optional_vars)
        node.body = self.filled(node.body)
        return node

    def visit_Try(self, node: ast.Try) -> ast.stmt:
        return self.attempt(node)

    def visit_TryStar(self, node: Any) -> ast.stmt:  # ast.TryStar is new in 3.11
        return self.attempt(node)

    def attempt(self, node: Any) -> ast.stmt:
        node.body = self.filled(node.body)
        for handler in node.handlers:
            self.handler(handler)
        node.orelse = self.block(node.orelse)
        # A `try` has a `finally` or handlers; with neither it would not be one.
        node.finalbody = self.filled(node.finalbody) if node.finalbody else []
        return cast("ast.stmt", node)

    def handler(self, handler: ast.ExceptHandler) -> None:
        if handler.type is not None:
            handler.type = self.visit(handler.type)
        if handler.name in self.carried:
            # The name is unbound at the end of the handler, so another one can take its place.
            stand_in = f"__transfuse_{handler.name}__"
            handler.body = [_Rename(handler.name, stand_in).visit(each) for each in handler.body]
            handler.name = stand_in
        handler.body = self.filled(handler.body)

    def visit_Match(self, node: ast.Match) -> ast.stmt:
        node.subject = self.visit(node.subject)
        for case in node.cases:
            case.pattern = self.visit(case.pattern)
            case.guard = case.guard and self.visit(case.guard)
            case.body = self.filled(case.body)
        return node

    # Patterns and expressions.

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.pattern:
        if node.pattern is not None:
            node.pattern = self.visit(node.pattern)
        if node.name not in self.carried:
            return node
        if node.pattern is not None:
            return node.pattern
        node.name = None
        return node

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.pattern:
        node.name = None if node.name in self.carried else node.name
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.pattern:
        node.patterns = [self.visit(each) for each in node.patterns]
        node.rest = None if node.rest in self.carried else node.rest
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        node.value = self.visit(node.value)
        return node.value if node.target.id in self.carried else node

    def target(self, target: ast.expr) -> ast.expr:
        """Return a target like this one that binds no carried name."""
        if isinstance(target, ast.Name):
            return _nowhere(target) if target.id in self.carried else target
        if isinstance(target, (ast.Tuple, ast.List)):
            target.elts = [self.target(each) for each in target.elts]
            return target
        if isinstance(target, ast.Starred):
            target.value = self.target(target.value)
            return target
        return self.generic(target)

    def is_carried_only(self, targets: list[ast.expr]) -> bool:
        """Whether `targets` bind names, all of them carried, and nothing else."""
        leaves: list[ast.expr] = []
        pending = list(targets)
        while pending:
            each = pending.pop()
            if isinstance(each, (ast.Tuple, ast.List)):
                pending.extend(each.elts)
            elif isinstance(each, ast.Starred):
                pending.append(each.value)
            else:
                leaves.append(each)
        return bool(leaves) and all(
            isinstance(leaf, ast.Name) and leaf.id in self.carried for leaf in leaves
        )

    def binds_others(self, value: ast.AST) -> bool:
        """Whether evaluating `value` binds, by `:=`, a name that is not carried."""
        if isinstance(value, ast.NamedExpr) and value.target.id not in self.carried:
            return True
        if isinstance(value, ast.Lambda):
            return any(self.binds_others(each) for each in _defaults(value.args))
        return any(self.binds_others(each) for each in ast.iter_child_nodes(value))

    def generic(self, node: _Node) -> _Node:
        visit: Callable[[_Node], Any] = self.generic_visit
        return cast("_Node", visit(node))


class _Rename(ast.NodeTransformer):
    """Renames the reads and writes of one name, but not in other scopes."""

    def __init__(self, name: str, stand_in: str) -> None:
        self.name = name
        self.stand_in = stand_in

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id == self.name:
            node.id = self.stand_in
        return node

    def other_scope(self, node: _Node) -> _Node:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = other_scope


def _defaults(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *(each for each in args.kw_defaults if each is not None)]


def _nowhere(name: ast.Name) -> ast.Subscript:
    empty = ast.copy_location(ast.Dict(keys=[], values=[]), name)
    zero = ast.copy_location(ast.Constant(value=0), name)
    return ast.copy_location(ast.Subscript(value=empty, slice=zero, ctx=ast.Store()), name)
