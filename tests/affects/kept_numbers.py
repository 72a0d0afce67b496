"""Functions that keep numbers of what they import, and functions that keep nothing."""

from __future__ import annotations

# Each module has a `get`, whose result is a number.
VALUES = {
    "object of a library": """
        import queue
        kept = queue.SimpleQueue()
        def get():
            if kept.empty():
                from shop.config import KIND
                kept.put(KIND)
                return KIND
            found = kept.get()
            kept.put(found)
            return found
        """,
    "cache": """
        import functools
        @functools.cache
        def get():
            from shop.config import KIND
            return KIND
        """,
    "global": """
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                found = KIND
            return found
        """,
    "dict": """
        found = {}
        def get():
            if not found:
                from shop import config
                found["kind"] = config.KIND
            return found["kind"]
        """,
    "computed": """
        found = {}
        def get():
            if not found:
                from shop.config import Settings
                kind = Settings().kind
                found.update(kind=kind + 0)
            return found["kind"]
        """,
    "object": """
        class Holder:
            kind = None
            def load(self):
                from shop.config import KIND
                self.kind = KIND
        holder = Holder()
        def get():
            if holder.kind is None:
                holder.load()
            return holder.kind
        """,
    "by another function": """
        found = []
        def load():
            from shop.config import KIND
            return KIND
        def get():
            if not found:
                found.append(load())
            return found[0]
        """,
    "own decorator": """
        def keeping(function):
            found = {}
            def get():
                if not found:
                    found[0] = function()
                return found[0]
            return get
        @keeping
        def get():
            from shop.config import KIND
            return KIND
        """,
    "descriptor": """
        class keep:
            def __init__(self, function):
                self.function = function
            def __get__(self, holder, kind):
                holder.__dict__["found"] = self.function(holder)
                return holder.__dict__["found"]
        class Holder:
            @keep
            def found(self):
                from shop.config import KIND
                return KIND
        holder = Holder()
        def get():
            return holder.found
        """,
    "wrapped later": """
        import functools
        def load():
            from shop.config import KIND
            return KIND
        get = functools.lru_cache(maxsize=1)(load)
        """,
    "closure": """
        def make():
            found = []
            def get():
                if not found:
                    from shop.config import KIND
                    found.append(KIND)
                return found[0]
            return get
        get = make()
        """,
    "by name": """
        import importlib
        found = {}
        def get():
            if not found:
                found[0] = importlib.import_module("shop.config").KIND
            return found[0]
        """,
    "through another": """
        found = {}
        def get():
            if not found:
                from shop.api import KIND
                found[0] = KIND
            return found[0]
        """,
    "own helper": """
        found = []
        def hold(kind):
            found[:] = [kind]
        def get():
            if not found:
                from shop.config import KIND
                hold(KIND)
            return found[0]
        """,
    "function of C": """
        import heapq
        found = []
        def get():
            if not found:
                from shop.config import KIND
                heapq.heappush(found, KIND)
            return found[0]
        """,
    "pattern": """
        found = {}
        def get():
            if not found:
                from shop.config import KIND
                match KIND:
                    case int() as kind:
                        found["kind"] = kind
            return found["kind"]
        """,
    "local class": """
        found = []
        def get():
            if not found:
                from shop import config
                class Local:
                    kind = config.KIND
                found.append(Local)
            return found[0].kind
        """,
    "condition": """
        found = []
        def get():
            if not found:
                import shop.config
                if shop.config.KIND == 2:
                    found.append(2)
                else:
                    found.append(shop.config.Settings.kind)
            return found[0]
        """,
    "text": """
        found = {}
        def get():
            if not found:
                exec("from shop.config import KIND", found)
            return found["KIND"]
        """,
    "lazy attribute": """
        import importlib
        def __getattr__(name):
            if name != "KIND":
                raise AttributeError(name)
            globals()[name] = getattr(importlib.import_module("shop.config"), name)
            return globals()[name]
        def get():
            import shop.use
            return shop.use.KIND
        """,
    "attribute of the module": """
        import sys
        def __getattr__(name):
            if name != "KIND":
                raise AttributeError(name)
            from shop.config import KIND
            setattr(sys.modules[__name__], name, KIND)
            return KIND
        def get():
            import shop.use
            return shop.use.KIND
        """,
}
# Each module has a `get`, whose result is a number that another module, `shop.cache`, keeps.
ELSEWHERE = {
    "dict": (
        """
        from shop import cache
        def get():
            if not cache.found:
                from shop.config import KIND
                cache.found["kind"] = KIND
            return cache.found["kind"]
        """,
        "found = {}\n",
    ),
    "object in a dict": (
        """
        from shop.cache import found
        def get():
            if not found:
                from shop.config import Settings
                found["settings"] = Settings()
            return found["settings"].kind
        """,
        "found = {}\n",
    ),
    "function": (
        """
        from shop.cache import recall, remember
        def get():
            if recall() is None:
                from shop.config import KIND
                remember(KIND)
            return recall()
        """,
        """
        found = None
        def remember(kind):
            global found
            found = kind
        def recall():
            return found
        """,
    ),
    "object": (
        """
        from shop.cache import cache
        def load():
            from shop.config import KIND
            return KIND
        def get():
            return cache.fetch("kind", load)
        """,
        """
        class Cache:
            def __init__(self):
                self.found = {}
            def fetch(self, key, make):
                if key not in self.found:
                    self.found[key] = make()
                return self.found[key]
        cache = Cache()
        """,
    ),
    "decorator": (
        """
        from shop.cache import once
        @once
        def get():
            from shop.config import KIND
            return KIND
        """,
        """
        found = {}
        def once(function):
            def inner():
                if function.__qualname__ not in found:
                    found[function.__qualname__] = function()
                return found[function.__qualname__]
            return inner
        """,
    ),
}
# The same, where a function of `shop.load` returns what it imports.
RETURNED = {
    "cache": """
        import functools
        from shop.load import load
        @functools.cache
        def get():
            return load()
        """,
    "cache of the function": """
        import functools
        import shop.load
        get = functools.cache(shop.load.load)
        """,
    "list": """
        import shop.load as other
        found = []
        def get():
            if not found:
                found.append(other.load() + 0)
            return found[0]
        """,
    "import in a function": """
        found = []
        def get():
            if not found:
                from shop.load import load
                found.append(load())
            return found[0]
        """,
    "cached property": """
        import functools
        from shop.load import load
        class Page:
            @functools.cached_property
            def kind(self):
                return load()
        page = Page()
        def get():
            return page.kind
        """,
}
