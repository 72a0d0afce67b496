"""Did a module fail only because it ran before?

Registries of foreign code refuse a name that they have: a table of a shared `MetaData`, a message
of protobuf, a metric of Prometheus. Such a module cannot run twice in a process, and is held: it
stays as it is until a restart, and all else in the update goes through. That the source is wrong is
another matter, and refuses the update. So a module is held only if foreign code raised the error,
if its words are those of a registry, and if the old source has the same statement.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from transfuse.source.tracebacks import headline

if TYPE_CHECKING:
    from types import CodeType, TracebackType

_WORDS = re.compile(
    r"already|duplicate|more than once|twice|conflicts? with|redefin", re.IGNORECASE
)
_LONGEST = 200


def reason(
    error: BaseException, traceback: TracebackType | None, file: str, old: bytes, new: bytes
) -> str | None:
    """Return why a module cannot run again; None if that is not what failed.

    Args:
        error: the exception that its run raised.
        traceback: of the exception, from the update on.
        file: its file, as in code objects.
        old: the source that it ran from before.
        new: the source that failed.
    """
    try:
        text = str(error)
    except Exception:
        return None
    if not _WORDS.search(text):
        return None
    line, raised_in = _place(traceback, file)
    if line is None or raised_in is None:
        return None
    own = raised_in.co_filename == file
    try:
        tree = ast.parse(new)
        # A registry in C has no frame: it was called by the statement itself.
        if own and (raised_in.co_name != "<module>" or _raises(tree, line)):
            return None
        statement = _statement(tree, line)
        known = statement is not None and any(
            _key(each) == _key(statement) for each in ast.parse(old).body
        )
    except (SyntaxError, ValueError):
        return None
    return headline(error)[:_LONGEST] if known else None


def _place(entry: TracebackType | None, file: str) -> tuple[int | None, CodeType | None]:
    """Return the line of the module's own code, and the code that raised."""
    line, raised_in = None, None
    while entry is not None:
        code = entry.tb_frame.f_code
        if code.co_filename == file and code.co_name == "<module>":
            line = entry.tb_lineno
        raised_in = code
        entry = entry.tb_next
    return line, raised_in


def _raises(tree: ast.Module, line: int) -> bool:
    """Tell whether the module itself raises something at a line."""
    return any(
        isinstance(node, (ast.Raise, ast.Assert))
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in ast.walk(tree)
    )


def _statement(tree: ast.Module, line: int) -> ast.stmt | None:
    for each in tree.body:
        first = min([each.lineno, *(one.lineno for one in getattr(each, "decorator_list", ()))])
        if first <= line <= (each.end_lineno or each.lineno):
            return each
    return None


def _key(statement: ast.stmt) -> str:
    """Return what a statement registers: its kind, and the names it binds or calls."""
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return f"{type(statement).__name__} {statement.name}"
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call):
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        names = " ".join(ast.dump(each) for each in targets if each is not None)
        # Of the arguments only the first that is a name: the rest may have been edited.
        first = [ast.dump(each) for each in value.args[:1] if _is_text(each)]
        return f"{names} {ast.dump(value.func)} {first}"
    return ast.dump(statement)


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
