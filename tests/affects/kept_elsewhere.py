"""Functions that put what they import into another module, `shop.store`."""

from __future__ import annotations

# Each has the source of a module that keeps, and that of one which imports and has it kept.
ELSEWHERE = {
    "table of factories": (
        """
        FACTORIES, MADE = {}, {}
        def provide(name, make):
            FACTORIES[name] = make
        def find(name):
            if name not in MADE:
                MADE[name] = FACTORIES[name]()
            return MADE[name]
        """,
        """
        from shop import store
        def make():
            from shop.config import Settings
            return Settings()
        store.provide("settings", make)
        def get():
            return store.find("settings").kind
        """,
    ),
    "table of factories of numbers": (
        """
        FACTORIES, MADE = {}, {}
        def provide(make):
            FACTORIES[make.__name__] = make
            return make
        def find(name):
            if name not in MADE:
                MADE[name] = FACTORIES[name]()
            return MADE[name]
        """,
        """
        from shop import store
        @store.provide
        def make():
            from shop.config import KIND
            return KIND
        def get():
            return store.find("make")
        """,
    ),
    "object with factories": (
        """
        class Container:
            def __init__(self):
                self.factories, self.made = {}, {}
            def provide(self, name, make):
                self.factories[name] = make
            def find(self, name):
                if name not in self.made:
                    self.made[name] = self.factories[name]()
                return self.made[name]
        CONTAINER = Container()
        """,
        """
        from shop.store import CONTAINER
        def make():
            from shop.config import KIND
            return KIND
        CONTAINER.provide("kind", make)
        def get():
            return CONTAINER.find("kind")
        """,
    ),
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
