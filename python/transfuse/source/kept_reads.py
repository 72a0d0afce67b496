"""Does a function keep what it read of a file when it was called?

A file that module-level code reads is a dependency. One that a function reads is read again at each
call, unless something keeps the content: a global, an attribute, a cache. The frames that run while
the file is opened tell which expression of which function has it opened. What comes of that
expression is followed as what a function imports is (`import_flow.py`).
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
from importlib.util import decode_source
from itertools import islice
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from transfuse.source.analyses import Source
from transfuse.source.import_flow import Scan
from transfuse.source.kept_values import Search
from transfuse.source.stores import is_a
from transfuse.source.syntax import dotted
from transfuse.source.walks import Function, Walks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from transfuse.source.live_namespaces import LiveNamespaces

# Methods of foreign objects that hand on what they read, by the beginnings of their names.
_HAND_ON = (
    *("close", "debug", "download", "dump", "error", "exception", "info", "log", "open", "put"),
    *("save", "send", "serve", "stream", "upload", "warn", "write"),
)
# The instructions that may be running when a file is opened. Before Python 3.12 a comprehension
# runs in a frame of its own.
_EXPRESSIONS = (
    *(ast.Call, ast.Attribute, ast.Subscript, ast.BinOp, ast.With, ast.AsyncWith),
    *(ast.ListComp, ast.SetComp, ast.DictComp),
)


def keepers(
    frame: FrameType,
    by: tuple[Any, ...],
    live: LiveNamespaces,
) -> list[str]:
    """Name the modules that may keep what an expression gives that a frame is in.

    Args:
        frame: of a function of a live module.
        by: the fields of the module's `Source`.
        live: the namespaces of all live modules, by their names.
    """
    source = Source(*by)
    function = _function(source.text(), frame.f_code)
    if function is None:
        return []
    running = frozenset(_running(function, frame))
    keeper = Scan(function, {}, {}, frozenset(), Walks(), sources=running).keeper()
    search = Search(source, "", {}, frozenset(), live)
    first = function.args.args[0].arg if function.args.args else ""
    owner = frame.f_locals.get(first)
    kept = [one for one in keeper.kept if one.root != first or _is_bound(owner, live)]
    # An engine of templates with an adapter looks again at what it keeps.
    used = [] if _is_served(frame) else _foreign(running)
    return search.kept_by(keeper._replace(kept=tuple(kept)), used)


def _is_served(frame: FrameType) -> bool:
    """Tell whether this package reads the file, for what the frame calls."""
    inner = sys._getframe(2)
    while inner is not None and inner is not frame:
        if inner.f_globals.get("__name__", "").startswith("transfuse."):
            return True
        inner = inner.f_back  # type: ignore[assignment]
    return False


def _function(text: bytes, code: CodeType) -> Function | None:
    """Return the function that code was compiled from.

    Only its own lines are parsed: this is asked during requests, and modules can be large.
    """
    if not code.co_name.isidentifier():
        return None
    first = code.co_firstlineno
    lines = io.StringIO(decode_source(text)).readlines()[first - 1 :]
    try:
        block = inspect.getblock(lines)
        # Columns stay as they are.
        head = ["if 1:\n"] if block[0][:1].isspace() else []
        tree = ast.increment_lineno(ast.parse("".join(head + block)), first - 1 - len(head))
    except (IndexError, SyntaxError, ValueError, TokenError):
        return None
    functions = (
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    for function in functions:
        began = min([function.lineno, *(one.lineno for one in function.decorator_list)])
        if (function.name, began) == (code.co_name, first):
            return function
    return None


def _running(function: Function, frame: FrameType) -> Iterator[ast.AST]:
    """Yield the expressions that a frame is in: one, where the interpreter knows the columns."""
    line = frame.f_lineno
    known = getattr(frame.f_code, "co_positions", None)
    place = next(islice(known(), frame.f_lasti // 2, None), None) if known is not None else None
    for node in ast.walk(function):
        if not isinstance(node, _EXPRESSIONS):
            continue
        last = node.end_lineno or node.lineno
        if place is not None and None not in place:
            if (node.lineno, last, node.col_offset, node.end_col_offset) == place:
                # A context manager is entered by the statement.
                items = getattr(node, "items", ())
                yield from (item.context_expr for item in items) if items else (node,)
        elif isinstance(node, ast.Call) and node.lineno <= line <= last:
            yield node


def _foreign(running: frozenset[ast.AST]) -> list[str]:
    """Return the names of the objects of which an attribute is taken, or a method runs."""
    names = []
    for node in running:
        taken = node.func if isinstance(node, ast.Call) else node
        holder = taken.value if isinstance(taken, (ast.Attribute, ast.Subscript)) else None
        hands_on = isinstance(taken, ast.Attribute) and taken.attr.startswith(_HAND_ON)
        while isinstance(holder, ast.Subscript):
            holder = holder.value
        if holder is not None and not (hands_on and taken is not node):
            names.append(dotted(holder))
    return names


def _is_bound(owner: object, live: dict[str, dict[str, Any]]) -> bool:
    """Tell whether an object is a class, or of the class of a global of a live module."""
    kind = type(owner)
    if is_a(owner, type):
        return True
    return any(type(value) is kind for names in live.values() for value in names.copy().values())
