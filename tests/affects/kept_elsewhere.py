"""Functions that put what they import into another module, `shop.store`."""

from __future__ import annotations

# Each has the source of a module that keeps, and that of one which imports and has it kept.
ELSEWHERE = {
    "class attribute": (
        "class Holder:\n    found = None\n",
        """
        from shop import store
        def get():
            if store.Holder.found is None:
                from shop.config import Settings
                store.Holder.found = Settings
            return store.Holder.found.kind
        """,
    ),
    "container": (
        "FOUND = {}\n",
        """
        from shop.store import FOUND
        def get():
            if not FOUND:
                from shop.config import Settings
                FOUND["made"] = Settings()
            return FOUND["made"].kind
        """,
    ),
    "number": (
        "FOUND = {}\n",
        """
        from shop.store import FOUND
        def get():
            if not FOUND:
                from shop.config import KIND
                FOUND["kind"] = KIND
            return FOUND["kind"]
        """,
    ),
    "function that stores": (
        """
        _found = None
        def put(it):
            global _found
            _found = it
        def found():
            return _found
        """,
        """
        from shop import store
        def get():
            if store.found() is None:
                from shop.config import Settings
                store.put(Settings)
            return store.found().kind
        """,
    ),
    "function that stores a number": (
        """
        _found = []
        def remember(it):
            _found.append(it)
        def found():
            return _found
        """,
        """
        from shop.store import found, remember
        def get():
            if not found():
                from shop.config import KIND
                remember(KIND)
            return found()[0]
        """,
    ),
    "decorator": (
        """
        FOUND = {}
        def kept(function):
            def inner():
                if function.__name__ not in FOUND:
                    FOUND[function.__name__] = function()
                return FOUND[function.__name__]
            return inner
        """,
        """
        from shop.store import kept
        @kept
        def settings():
            from shop.config import Settings
            return Settings()
        def get():
            return settings().kind
        """,
    ),
}
