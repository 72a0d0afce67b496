"""Names of functions and methods that tell what a call does."""

from __future__ import annotations

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
# Methods that put their arguments into their object, by the beginnings of their names.
PUT = (
    *("add", "append", "assign", "cache", "connect", "extend", "insert", "memo", "offer", "push"),
    *("put", "register", "remember", "save", "send", "set", "store", "subscribe", "update"),
    "__set",
)
# Decorators of generators that are run to their end.
RUN_TO_END = ("contextmanager", "fixture")
# Functions whose result is a namespace.
NAMESPACES = frozenset({"globals", "vars", "locals", "getattr"})
