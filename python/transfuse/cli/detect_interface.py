"""Is an application ASGI or WSGI?

Found out from the source where that says it; else by importing the application once, in a process
that is thrown away, because the process that serves must not have imported the user's code.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Literal

from transfuse.cli.terminal import progress, say
from transfuse.errors import TargetError
from transfuse.source.suggestions import find_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transfuse.process.target import Target

Interface = Literal["asgi", "wsgi"]
# The answers that a source can give.
_Said = Literal["asgi", "wsgi", "both"]

# Callables that make an application, by full import name, or by its last part.
_MAKERS: dict[str, _Said] = {
    "falcon.asgi.App": "asgi",
    "falcon.App": "wsgi",
    "falcon.API": "wsgi",
    "FastAPI": "asgi",
    "Starlette": "asgi",
    "Quart": "asgi",
    "Litestar": "asgi",
    "Sanic": "asgi",
    "AsyncApp": "asgi",
    "ProtocolTypeRouter": "asgi",
    "get_asgi_application": "asgi",
    "WsgiToAsgi": "asgi",
    "WSGIMiddleware": "asgi",
    "transfuse.publisher": "both",
    "Flask": "wsgi",
    "Bottle": "wsgi",
    "default_app": "wsgi",
    "get_wsgi_application": "wsgi",
    "make_wsgi_app": "wsgi",
    "SharedDataMiddleware": "wsgi",
    "DispatcherMiddleware": "wsgi",
    "ProxyFix": "wsgi",
}
_ASGI_PARAMETERS = 3
_WSGI_PARAMETERS = 2
# How many `from a import app` are followed, and how long an import may take, in seconds.
_STEPS = 5
_PATIENCE = 120


def interface_of(target: Target, roots: Sequence[str]) -> Interface:
    """Return which interface the target's application has.

    Raises:
        TargetError: there is no such application, or it does not show.
    """
    found = _said_of(target, roots)
    if found is not None:
        # If it is both: ASGI runs coroutines directly, and other functions in threads.
        return "asgi" if found == "both" else found
    with progress(f"importing {target.text} once, to find out whether it is ASGI or WSGI"):
        imported = _from_import(target, roots)
    say(
        f"{target.text} was imported once to find out that it is {imported.upper()};"
        f" --interface {imported} saves that"
    )
    return imported


def insist(target: Target, roots: Sequence[str], wanted: Interface) -> None:
    """Refuse an interface that the target's application does not have, if its source shows it.

    Raises:
        TargetError: it is the other one.
    """
    found = _said_of(target, roots)
    if found not in (None, "both", wanted):
        kind = "an ASGI" if found == "asgi" else "a WSGI"
        raise TargetError(
            f"{target.text} is {kind} application, as its source says: --interface {wanted}"
            f" would fail at each request; say --interface {found}, or nothing"
        )


def _said_of(target: Target, roots: Sequence[str]) -> _Said | None:
    names = [target.names] if target.names else [("app",), ("application",)]
    for attribute in names:
        if len(attribute) == 1:
            found = _from_source(target.module, attribute[0], [*roots, *sys.path], _STEPS)
            if found is not None:
                return found
    return None


def _from_source(module: str, name: str, search: Sequence[str], steps: int) -> _Said | None:
    tree = _tree(module, search)
    if tree is None or steps == 0:
        return None
    imported = _imported(tree, module)
    found: _Said | None = None
    # The last statement that binds the name is the one that counts.
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if statement.name == name:
                found = _of_function(statement, bound=False)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            if _binds(statement, name):
                found = _of_value(statement.value, tree, imported)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == name and name in imported:
                    origin, _, attribute = imported[name].rpartition(".")
                    found = _from_source(origin, attribute, search, steps - 1)
    return found


def _tree(module: str, search: Sequence[str]) -> ast.Module | None:
    spec = find_spec(module, search)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        with open(spec.origin, "rb") as file:
            return ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return None  # importing it will show the error


def _imported(tree: ast.Module, module: str) -> dict[str, str]:
    """Return the full name of each imported name, such as ``{"F": "flask.Flask"}``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom):
            # Relative to a module, not a package: good enough for finding a file.
            base = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                names[alias.asname or alias.name] = f"{origin}.{alias.name}"
    return names


def _binds(statement: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _of_value(value: ast.expr | None, tree: ast.Module, imported: dict[str, str]) -> _Said | None:
    if not isinstance(value, ast.Call):
        return None
    dotted = ast.unparse(value.func)
    first, dot, rest = dotted.partition(".")
    full = imported.get(first, first) + dot + rest
    known = _MAKERS.get(full) or _MAKERS.get(full.rpartition(".")[2])
    if known is not None:
        return known
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == dotted:
            for member in statement.body:
                if (
                    isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef))
                    and member.name == "__call__"
                ):
                    return _of_function(member, bound=True)
    return None


def _of_function(function: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool) -> _Said | None:
    if function.decorator_list:
        return None
    count = len(function.args.posonlyargs) + len(function.args.args) - int(bound)
    is_async = isinstance(function, ast.AsyncFunctionDef)
    if is_async and count == _ASGI_PARAMETERS:
        return "asgi"
    if not is_async and count == _WSGI_PARAMETERS:
        return "wsgi"
    return None


def _from_import(target: Target, roots: Sequence[str]) -> Interface:
    with tempfile.TemporaryDirectory(prefix="transfuse-") as folder:
        path = os.path.join(folder, "answer")
        command = [sys.executable, "-m", "transfuse.cli.probe_interface", target.text, path, *roots]
        try:
            subprocess.run(command, check=False, stdout=sys.stderr, timeout=_PATIENCE)
            with open(path, encoding="utf-8") as file:
                answer = json.load(file)
        except subprocess.TimeoutExpired:
            answer = {"wrong": f"importing {target.module} took more than {_PATIENCE} s"}
        except (OSError, ValueError):
            answer = {"wrong": f"importing {target.module} ended the process"}
    if "wrong" in answer:
        raise TargetError(answer["wrong"])
    interface: Interface = answer["interface"]
    return interface
