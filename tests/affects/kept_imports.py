"""Functions that keep what they import, and functions that do not."""

from __future__ import annotations

# Each module has a `get`, whose result has the edited `kind` as an attribute.
OBJECTS = {
    "lru_cache": """
        import functools
        @functools.lru_cache
        def get():
            from shop.config import Settings
            return Settings()
        """,
    "cache of a class": """
        from functools import cache
        @cache
        def get():
            import shop.config
            return shop.config.Settings
        """,
    "global": """
        found = None
        def get():
            global found
            if found is None:
                from shop.config import Settings as found
            return found
        """,
    "default": """
        def get(found=[]):
            if not found:
                from shop.config import Settings
                found.append(Settings)
            return found[0]
        """,
    "closure": """
        def make():
            found = None
            def get():
                nonlocal found
                if found is None:
                    from shop.config import Settings
                    found = Settings()
                return found
            return get
        get = make()
        """,
    "class attribute": """
        class Holder:
            found = None
        def get():
            if Holder.found is None:
                from shop.config import Settings
                Holder.found = Settings
            return Holder.found
        """,
    "new": """
        class Holder:
            def __new__(cls):
                if not hasattr(cls, "found"):
                    from shop.config import Settings
                    cls.found = Settings()
                return object.__new__(cls)
        def get():
            return Holder().found
        """,
    "slots": """
        class Holder:
            __slots__ = ("found",)
        holder = Holder()
        def get():
            if not hasattr(holder, "found"):
                from shop.config import Settings
                holder.found = Settings()
            return holder.found
        """,
    "bound method": """
        found = []
        def get():
            if not found:
                from shop.config import Settings
                found.append(Settings().me)
            return found[0]()
        """,
    "partial": """
        import functools
        found = {}
        def get():
            if not found:
                from shop.config import Settings
                found["make"] = functools.partial(Settings)
            return found["make"]()
        """,
    "lambda": """
        found = []
        def get():
            if not found:
                from shop.config import Settings
                found.append(lambda: Settings)
            return found[0]()
        """,
    "generator": """
        def items():
            from shop.config import Settings
            while True:
                yield Settings
        source = items()
        def get():
            return next(source)
        """,
    "thread local": """
        import threading
        local = threading.local()
        def get():
            if not hasattr(local, "found"):
                from shop.config import Settings
                local.found = Settings()
            return local.found
        """,
    "context variable": """
        import contextvars
        found = contextvars.ContextVar("found")
        def get():
            if found.get(None) is None:
                from shop.config import Settings
                found.set(Settings())
            return found.get()
        """,
    "foreign attribute": """
        import colorsys
        def get():
            if not hasattr(colorsys, "found"):
                from shop.config import Settings
                colorsys.found = Settings
            return colorsys.found
        colorsys.__dict__.pop("found", None)
        """,
    "cached property": """
        import functools
        class Holder:
            @functools.cached_property
            def found(self):
                from shop.config import Settings
                return Settings()
        holder = Holder()
        def get():
            return holder.found
        """,
    "function attribute": """
        def get():
            if not hasattr(get, "found"):
                from shop.config import Settings
                get.found = Settings()
            return get.found
        """,
    "beside much else": """
        much = [[n] for n in range(3000)]
        found = {}
        def get():
            if not found:
                from shop.config import Settings
                found[0] = Settings()
            return found[0]
        """,
    "by name": """
        import pkgutil
        found = {}
        def get():
            if not found:
                found[0] = pkgutil.resolve_name("shop.config:Settings")
            return found[0]
        """,
    "module": """
        found = {}
        def get():
            if not found:
                from shop import config
                found[0] = config
            return found[0].Settings
        """,
    "taken from another": """
        found = {}
        def get():
            if not found:
                from shop.api import Settings
                found[0] = Settings
            return found[0]
        """,
    "lazy attribute": """
        def __getattr__(name):
            if name == "Settings":
                from shop.api import Settings
                globals()["Settings"] = Settings
                return Settings
            raise AttributeError(name)
        def get():
            import shop.use
            return shop.use.Settings
        """,
}
# Each module has a `get`, whose result is a number.
VALUES = {
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
}
NOT_KEPT = {
    "returned": """
        def get():
            from shop.config import KIND
            return KIND
        """,
    "called": """
        def get():
            from shop.config import Settings
            kinds = {}
            kinds["kind"] = Settings().kind
            return kinds["kind"]
        """,
    "something else kept": """
        import functools
        calls = []
        def get():
            from shop.config import KIND
            calls.append(1)
            return KIND
        @functools.cache
        def other():
            return 1
        """,
    "wrapped": """
        import functools
        def wrapped(function):
            @functools.wraps(function)
            def inner(*args):
                return function(*args)
            return inner
        @wrapped
        def get():
            import shop.config
            return shop.config.KIND
        """,
    "in a method": """
        class Page:
            def __init__(self):
                self.title = "page"
            @property
            def kind(self):
                from .config import Settings
                return Settings().kind
        def get():
            return Page().kind
        """,
}
