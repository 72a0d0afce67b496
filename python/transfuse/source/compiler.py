"""Compiles the source of a module, and reads its special variables.

Pure functions from bytes to code, called by the core in the staging thread and later in a process
of its own; so nothing here may depend on the state of the server. `preserved_names` removes the
assignments to carried names; the core runs the code.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NoReturn

from transfuse.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

RELOAD_WORDS = ("overlay", "fresh", "patch", "never")
# The thread in which an update runs a module: that of the program, or one of its own.
THREAD_WORDS = ("main", "update")

_RELOAD_ALLOWED = "one of " + ", ".join(f'"{word}"' for word in RELOAD_WORDS)
_THREAD_ALLOWED = "one of " + ", ".join(f'"{word}"' for word in THREAD_WORDS)
_PRESERVE_ALLOWED = 'a list, tuple or set of global names, such as ["cache", "lock"]'
_PLACE_ALLOWED = "one plain assignment of a literal at the top level of the module"


def compile_source(source: bytes, path: str) -> CodeType:
    """Compile a module as the interpreter would.

    Args:
        source: the file's content, in the encoding that it declares.
        path: the absolute file, for tracebacks.

    Returns:
        The code of the module's body.

    Raises:
        SyntaxError: the source is not Python, not in its encoding, or has a NUL byte in it.
    """
    _refuse_null_bytes(source, path)
    return compile(source, path, "exec", dont_inherit=True, optimize=-1)


def compile_carrying(source: bytes, path: str, carried: frozenset[str]) -> CodeType:
    """Compile a module whose body does not bind the names in `carried`, which hold values already.

    Line numbers stay as they are in the source.

    Args:
        source: the file's content.
        path: the absolute file, for tracebacks.
        carried: the module's global names whose values were taken over, such as ``{"cache"}``.

    Returns:
        The code of the module's body.

    Raises:
        SyntaxError: as `compile_source`.
    """
    # Here and not above: it carries names in updates only.
    from transfuse.source.preserved_names import drop_bindings  # noqa: PLC0415

    tree = _parse(source, path)
    left_out = drop_bindings(tree, carried)
    # Some errors, such as a `break` outside a loop, are found after parsing only; they must not
    # pass because the statement they stand in is left out.
    compile(left_out, path, "exec", dont_inherit=True, optimize=-1)
    return compile(tree, path, "exec", dont_inherit=True, optimize=-1)


def special_variables(source: bytes, path: str) -> dict[str, Any] | None:
    """Read the special variables of a module, as literals, without running it.

    Args:
        source: the file's content.
        path: the absolute file, for messages.

    Returns:
        None if none of them is set; else
        ``{"reload": str | None, "preserve": list[str] | None, "thread": str | None}``.

    Raises:
        PolicyError: a variable has a value that makes no sense, or is set in another way than by
            one plain assignment of a literal at module level.
        SyntaxError: as `compile_source`.
    """
    if not any(name.encode() in source for name in _READERS):
        return None
    tree = _parse(source, path)
    found: dict[str, Any] = {name.strip("_"): None for name in _READERS}
    plain: set[ast.Name] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            if target.id in _READERS:
                found[target.id.strip("_")] = _READERS[target.id](value, path)
                plain.add(target)
    _refuse_other_bindings(tree, plain, path)
    return None if all(value is None for value in found.values()) else found


def _parse(source: bytes, path: str) -> ast.Module:
    _refuse_null_bytes(source, path)
    tree = compile(source, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _refuse_null_bytes(source: bytes, path: str) -> None:
    # Python 3.10 and 3.11 raise a ValueError here that names no file, or read up to the NUL only.
    at = source.find(b"\0")
    if at >= 0:
        line = source.count(b"\n", 0, at) + 1
        raise SyntaxError("source code contains a NUL byte", (path, line, None, None))


def _reload_word(value: ast.expr, path: str) -> str:
    word = _literal(value)
    if isinstance(word, str) and word in RELOAD_WORDS:
        return word
    _refuse(path, value, "__reload__", _RELOAD_ALLOWED)
    return None


def _thread_word(value: ast.expr, path: str) -> str:
    word = _literal(value)
    if isinstance(word, str) and word in THREAD_WORDS:
        return word
    return _refuse(path, value, "__thread__", _THREAD_ALLOWED)


def _preserved_names(value: ast.expr, path: str) -> list[str]:
    listed = _literal(value)
    if not isinstance(listed, (list, tuple, set, frozenset)):
        _refuse(path, value, "__preserve__", _PRESERVE_ALLOWED)
    names = sorted(listed, key=str) if isinstance(listed, (set, frozenset)) else listed
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            _refuse(path, value, "__preserve__", _PRESERVE_ALLOWED)
        if name.startswith("__") and name.endswith("__"):
            _refuse(path, value, "__preserve__", f"{_PRESERVE_ALLOWED}, none like {name}")
    return list(dict.fromkeys(names))


# Each special variable, and what reads its value.
_READERS: dict[str, Callable[[ast.expr, str], Any]] = {
    "__reload__": _reload_word,
    "__preserve__": _preserved_names,
    "__thread__": _thread_word,
}


def _literal(value: ast.expr) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError):
        return None


def _refuse(path: str, value: ast.expr, name: str, allowed: str) -> NoReturn:
    raise PolicyError(
        path=path, line=value.lineno, name=name, value=ast.unparse(value), allowed=allowed
    )


def _refuse_other_bindings(tree: ast.Module, plain: set[ast.Name], path: str) -> None:
    """Refuse other statements at module level that bind a special variable."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and node.id in _READERS
            and node not in plain
        ):
            raise PolicyError(
                path=path,
                line=node.lineno,
                name=node.id,
                value="(bound by a statement that is run)",
                allowed=_PLACE_ALLOWED,
            )
        pending.extend(ast.iter_child_nodes(node))
