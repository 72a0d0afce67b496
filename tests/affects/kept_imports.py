"""Functions that keep objects of what they import."""

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
