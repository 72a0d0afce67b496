"""Functions that keep a number of what others import, whose calls are not seen in the source."""

from __future__ import annotations

# Each module has a `get`, which returns the `KIND` of the edited module.
UNSEEN = {
    "exception": """
        found = []
        def load():
            from shop.config import KIND
            raise ValueError(KIND)
        def get():
            if not found:
                try:
                    load()
                except ValueError as error:
                    found.append(error.args[0])
            return found[0]
        """,
    "dict of the function": """
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                made = {}
                made["kind"] = KIND
                found = made
            return found["kind"]
        """,
    "list of the function": """
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                made = []
                made.append(KIND)
                found = tuple(made)
            return found[0]
        """,
    "object of the function": """
        class Box:
            pass
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                made = Box()
                made.kind = KIND
                found = made
            return found.kind
        """,
    "dict of an object of the function": """
        class Box:
            pass
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                made = Box()
                made.inner = {}
                made.inner["kind"] = KIND
                found = made
            return found.inner["kind"]
        """,
    "global dict that is filled": """
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                found = {}
                found["kind"] = KIND
            return found["kind"]
        """,
    "global object that is filled": """
        class Box:
            pass
        found = None
        def get():
            global found
            if found is None:
                from shop.config import KIND
                found = Box()
                found.kind = KIND
            return found.kind
        """,
    "__enter__": """
        found = []
        class Reader:
            def __enter__(self):
                from shop.config import KIND
                return KIND
            def __exit__(self, *a):
                pass
        def get():
            if not found:
                with Reader() as kind:
                    found.append(kind)
            return found[0]
        """,
    "__iter__": """
        found = []
        class Reader:
            def __iter__(self):
                from shop.config import KIND
                return iter([KIND])
        def get():
            if not found:
                found.extend(Reader())
            return found[0]
        """,
    "__getitem__": """
        found = []
        class Reader:
            def __getitem__(self, name):
                import shop.config
                return getattr(shop.config, name)
        reader = Reader()
        def get():
            if not found:
                found.append(reader["KIND"])
            return found[0]
        """,
    "__getattr__": """
        found = []
        class Reader:
            def __getattr__(self, name):
                import shop.config
                return getattr(shop.config, name)
        reader = Reader()
        def get():
            if not found:
                found.append(reader.KIND)
            return found[0]
        """,
    "__call__": """
        found = []
        class Reader:
            def __call__(self):
                import shop.config
                return shop.config.KIND
        reader = Reader()
        def get():
            if not found:
                found.append(reader())
            return found[0]
        """,
    "__add__": """
        found = []
        class Reader:
            def __add__(self, other):
                import shop.config
                return shop.config.KIND + other
        reader = Reader()
        def get():
            if not found:
                found.append(reader + 0)
            return found[0]
        """,
    "__str__": """
        found = []
        class Reader:
            def __str__(self):
                import shop.config
                return str(shop.config.KIND)
        reader = Reader()
        def get():
            if not found:
                found.append(f"{reader}")
            return int(found[0])
        """,
    "__len__": """
        found = []
        class Reader:
            def __len__(self):
                import shop.config
                return shop.config.KIND
        reader = Reader()
        def get():
            if not found:
                found.append(len(reader))
            return found[0]
        """,
    "property": """
        found = []
        class Reader:
            @property
            def kind(self):
                import shop.config
                return shop.config.KIND
        reader = Reader()
        def get():
            if not found:
                found.append(reader.kind)
            return found[0]
        """,
    "method that is called back": """
        found = []
        def load(cb):
            import shop.config
            cb(shop.config.KIND)
        def get():
            if not found:
                load(found.append)
            return found[0]
        """,
    "function that is called back": """
        found = []
        def done(kind):
            found.append(kind)
        def load(cb):
            import shop.config
            cb(shop.config.KIND)
        def get():
            if not found:
                load(done)
            return found[0]
        """,
    "container that is given": """
        found = {}
        def load(into):
            import shop.config
            into["kind"] = shop.config.KIND
        def get():
            if not found:
                load(found)
            return found["kind"]
        """,
    "asynccontextmanager": """
        import asyncio, contextlib
        found = []
        @contextlib.asynccontextmanager
        async def load():
            import shop.config
            yield shop.config.KIND
        async def go():
            if not found:
                async with load() as kind:
                    found.append(kind)
            return found[0]
        def get():
            return asyncio.run(go())
        """,
    "partial": """
        import functools
        found = []
        def load(x):
            import shop.config
            return shop.config.KIND
        part = functools.partial(load, 1)
        def get():
            if not found:
                found.append(part())
            return found[0]
        """,
    "table of functions": """
        found = []
        def load():
            import shop.config
            return shop.config.KIND
        TABLE = {"load": load}
        def get():
            if not found:
                found.append(TABLE["load"]())
            return found[0]
        """,
    "lambda": """
        found = []
        load = lambda: __import__("shop.config", fromlist=["KIND"]).KIND
        def get():
            if not found:
                found.append(load())
            return found[0]
        """,
    "defaultdict": """
        import collections
        def load():
            import shop.config
            return shop.config.KIND
        made = collections.defaultdict(load)
        def get():
            return made["x"]
        """,
    "contextmanager": """
        import contextlib
        s = []
        @contextlib.contextmanager
        def load():
            import shop.config
            yield shop.config.KIND
        def get():
            if not s:
                with load() as kind:
                    s.append(kind)
            return s[0]
        """,
    "class of the function": """
        found = []
        def get():
            if not found:
                class Page:
                    from shop.config import KIND
                found.append(Page.KIND)
            return found[0]
        """,
    "how often a loop runs": """
        found = []
        def get():
            if not found:
                from shop.config import KIND
                count = 0
                for _ in range(KIND):
                    count += 1
                found.append(count)
            return found[0]
        """,
    "where a loop ends": """
        found = []
        def get():
            if not found:
                from shop.config import KIND
                for number in range(9):
                    if number == KIND:
                        break
                found.append(number)
            return found[0]
        """,
    "what a handler does": """
        found = []
        def get():
            if not found:
                from shop.config import KIND
                try:
                    ["", "", 2][KIND + 0] + 0
                    found_there = 2
                except TypeError:
                    found_there = 1
                except IndexError:
                    found_there = 3
                found.append(found_there)
            return found[0]
        """,
}
