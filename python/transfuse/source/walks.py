"""Walks over parts of a syntax tree, kept because a reader of functions repeats them.

A function is read several times, and each of its expressions as a part of those around it. Most
have nothing to do with an import, which the words in them show.
"""

from __future__ import annotations

import ast

from transfuse.source.syntax import children, dotted

Function = ast.FunctionDef | ast.AsyncFunctionDef
# The expressions that make a statement do something with what a function imports.
_ACTS = (ast.Call, ast.Attribute, ast.NamedExpr, ast.Yield, ast.YieldFrom)
_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


class Walks:
    """What lies below the nodes of one tree."""

    def __init__(self) -> None:
        self._children: dict[ast.AST, list[ast.AST]] = {}
        self._below: dict[ast.AST, list[ast.AST]] = {}
        self._words: dict[ast.AST, frozenset[str]] = {}
        self._acts: dict[ast.stmt, list[ast.AST]] = {}

    def below(self, node: ast.AST) -> list[ast.AST]:
        """Return a node and all below it, level by level, without operators and contexts."""
        found = self._below.get(node)
        if found is None:
            found = self._below[node] = [node]
            known = self._children
            # It grows meanwhile.
            for each in found:
                below = known.get(each)
                if below is None:
                    below = known[each] = children(each)
                found += below
        return found

    def words(self, node: ast.AST) -> frozenset[str]:
        """Return the names below a node, plain and dotted: `shop`, `tax`, `shop.tax`."""
        found = self._words.get(node)
        if found is None:
            words = set()
            for each in self.below(node):
                if isinstance(each, ast.Name):
                    words.add(each.id)
                elif isinstance(each, ast.Attribute):
                    words.add(each.attr)
                    words.add(dotted(each))
            found = self._words[node] = frozenset(words)
        return found

    def names(self, node: ast.AST) -> set[str]:
        """Return the plain names below a node."""
        return {each.id for each in self.below(node) if isinstance(each, ast.Name)}

    def parameters(self, function: Function) -> set[str]:
        """Return the names of a function's parameters."""
        return {each.arg for each in self.below(function.args) if isinstance(each, ast.arg)}

    def outer_names(self, function: Function) -> set[str]:
        """Return the names of other scopes that a function binds, or those in it do."""
        found: set[str] = set()
        for each in self.below(function):
            if isinstance(each, (ast.Global, ast.Nonlocal)):
                found.update(each.names)
        return found

    def imports(self, node: ast.AST) -> bool:
        """Tell whether there is an import statement below a node."""
        return any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in self.below(node))

    def acts(self, statement: ast.stmt) -> list[ast.AST]:
        """Return the calls and the like of a statement, without those of the statements in it."""
        found = self._acts.get(statement)
        if found is None:
            found = self._acts[statement] = []
            waiting: list[ast.AST] = [statement]
            while waiting:
                node = waiting.pop()
                if isinstance(node, _ACTS):
                    found.append(node)
                waiting += [one for one in children(node) if not isinstance(one, _STATEMENTS)]
        return found
