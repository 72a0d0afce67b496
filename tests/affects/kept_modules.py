"""Functions that keep a module, or a number, because of a value that they import."""

from __future__ import annotations

# Each module has a `get`, whose result is a number.
MODULES = {
    "a name for a module, then for its value": """
        import importlib
        found = {}
        def get():
            if not found:
                each = importlib.import_module("shop.config")
                each = each.KIND
                found["kind"] = each
            return found["kind"]
        """,
    "a module that a value names": """
        import importlib
        found = {}
        def get():
            names = ["", "math", "cmath", "string"]
            if not found:
                kind = importlib.import_module("shop.config").KIND
                found["it"] = importlib.import_module(names[kind])
            return names.index(found["it"].__name__)
        """,
    "a module that a condition decides": """
        import importlib
        found = {}
        def get():
            names = ["", "math", "cmath", "string"]
            if not found:
                if importlib.import_module("shop.config").KIND == 1:
                    found["it"] = importlib.import_module("math")
                elif importlib.import_module("shop.config").KIND == 2:
                    found["it"] = importlib.import_module("cmath")
                else:
                    found["it"] = importlib.import_module("string")
            return names.index(found["it"].__name__)
        """,
}
