"""Does an imported value decide which statements run, or which value results?"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.source.walks import Walks

    # Tells whether an expression comes from an import.
    Comes = Callable[[ast.expr], object]


def decides(statement: ast.stmt, comes: Comes) -> bool:
    """Tell whether an import decides which of the inner statements run, or how often."""
    if isinstance(statement, (ast.If, ast.While)):
        return comes(statement.test) is not None
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return comes(statement.iter) is not None
    if isinstance(statement, ast.Match):
        return comes(statement.subject) is not None
    return isinstance(statement, ast.Try) and any(
        isinstance(one, (ast.Import, ast.ImportFrom)) for one in statement.body
    )


def decides_handlers(statement: ast.stmt, comes: Comes, walks: Walks) -> bool:
    """Tell whether a use of an imported value may raise, so that a handler runs."""
    if not isinstance(statement, ast.Try):
        return False
    expressions = [
        node for one in statement.body for node in walks.below(one) if isinstance(node, ast.expr)
    ]
    return any(comes(node) is not None for node in expressions)


def ended_by_import(statement: ast.stmt, comes: Comes, walks: Walks) -> list[str]:
    """Return the names that a loop binds, if an imported value decides when it ends."""
    if not isinstance(statement, (ast.For, ast.AsyncFor, ast.While)):
        return []
    inner = walks.below(statement)
    ends = any(isinstance(node, ast.Break) for node in inner)
    if not ends or not any(isinstance(n, ast.If) and comes(n.test) is not None for n in inner):
        return []
    bound = (node for node in inner if isinstance(node, ast.Name))
    return [node.id for node in bound if isinstance(node.ctx, ast.Store)]
