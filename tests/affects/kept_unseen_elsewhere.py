"""Numbers that come from another module's function, whose call is not seen in the source."""

from __future__ import annotations

# Each has the module `shop.load` with a `reader`, and an expression that another module keeps.
UNSEEN_ELSEWHERE = {
    "property": (
        """
        class Reader:
            @property
            def kind(self):
                from shop.config import KIND
                return KIND
        reader = Reader()
        """,
        "reader.kind",
    ),
    "__getitem__": (
        """
        class Reader:
            def __getitem__(self, name):
                import shop.config
                return getattr(shop.config, name)
        reader = Reader()
        """,
        "reader['KIND']",
    ),
    "__getattr__": (
        """
        class Reader:
            def __getattr__(self, name):
                import shop.config
                return getattr(shop.config, name)
        reader = Reader()
        """,
        "reader.KIND",
    ),
    "partial": (
        """
        import functools
        def load(_):
            from shop.config import KIND
            return KIND
        reader = functools.partial(load, 1)
        """,
        "reader()",
    ),
    "table of functions": (
        """
        def load():
            from shop.config import KIND
            return KIND
        reader = {"kind": load}
        """,
        "reader['kind']()",
    ),
    "lambda": (
        """
        reader = lambda: __import__("shop.config", fromlist=["KIND"]).KIND
        """,
        "reader()",
    ),
    "contextmanager": (
        """
        import contextlib
        @contextlib.contextmanager
        def opened():
            from shop.config import KIND
            yield KIND
        class Reader:
            def __call__(self):
                with opened() as kind:
                    return kind
        reader = Reader()
        """,
        "reader()",
    ),
    "method of a local object": (
        """
        class Reader:
            def kind(self):
                from shop.config import KIND
                return KIND
        def reader():
            return Reader()
        """,
        "[one.kind() for one in [reader()]][0]",
    ),
    "property of a local object": (
        """
        class Reader:
            @property
            def kind(self):
                from shop.config import KIND
                return KIND
        reader = Reader
        """,
        "[one.kind for one in [reader()]][0]",
    ),
    "exception": (
        """
        class Reader(dict):
            def __missing__(self, key):
                from shop.config import KIND
                raise ValueError(KIND)
        table = Reader()
        def reader():
            try:
                table["kind"]
            except ValueError as error:
                return error.args[0]
        """,
        "reader()",
    ),
    "callback": (
        """
        def reader(call):
            from shop.config import KIND
            call(KIND)
        """,
        "reader(found.append) or found[0]",
    ),
}
