"""Names of functions and methods that tell what a call does."""

from __future__ import annotations

import ast

# Functions that import the module whose name they are given.
IMPORTERS = frozenset(
    {"__import__", "import_module", "import_string", "import_object", "load_object", "locate"}
    | {"resolve_name", "import_from_string", "symbol_by_name", "find_spec"}
)
MODULE_IMPORTERS = frozenset({"__import__", "import_module", "import_object"})
# Calls that return a module, as written in the source.
RETURN_MODULE = frozenset({"__import__", "import_module", "importlib.import_module"})
# Functions that run text, which may import.
RUN_TEXT = frozenset({"exec", "eval"})
# Functions that run other source, which may import, and return what it binds or fill a module.
RUN_SOURCE = frozenset({"run_path", "run_module", "exec_module", "load_module", "load_source"})
# Functions whose result comes from other source.
BRING = IMPORTERS | RUN_SOURCE
# Methods that put their arguments into their object, by the beginnings of their names.
PUT = (
    *("add", "append", "assign", "cache", "connect", "extend", "insert", "memo", "offer", "push"),
    *("put", "register", "remember", "save", "send", "set", "store", "subscribe", "update"),
    "__set",
)
# Decorators of generators that are run to their end.
RUN_TO_END = ("contextmanager", "fixture")
# Functions whose result is an object of its own. Classes are, too.
MAKE = frozenset({"dict", "list", "set", "copy", "module_from_spec"})
# Functions whose result is a namespace.
NAMESPACES = frozenset({"globals", "vars", "locals", "getattr"})


def imported_by(call: ast.Call, function: str) -> list[str | None]:
    """Return what a call of a function of that name imports.

    Returns: the name of a module; none in place of it if it is computed, an empty one if the call
        runs other code, and nothing if it does not import.
    """
    if function in RUN_TEXT | RUN_SOURCE:
        return [""]
    if function not in IMPORTERS:
        return []
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return [first.value]
    return [None]
