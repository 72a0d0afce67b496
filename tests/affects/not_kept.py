"""Functions that import a number, and keep nothing of it."""

from __future__ import annotations

# Each module has a `get`, which returns the `KIND` of the edited module.
NOT_KEPT = {
    "put into itself": """
        class Answer:
            pass
        class Stamp:
            def after(self, request, answer):
                answer.note = request
                answer.headers["kind"] = request
                answer.cookies.update(a=1)
                return answer
        stamp = Stamp()
        def get():
            from shop.config import KIND
            answer = Answer()
            answer.headers, answer.cookies, answer.body = {}, {}, KIND
            return stamp.after("x", answer).body
        """,
    "special method": """
        seen = []
        class Page:
            def __str__(self):
                from shop.config import KIND
                return f"page {KIND}"
        def get():
            seen.append(list(range(3)))
            return int(str(Page()).split()[1])
        """,
    "property": """
        seen = {}
        class Page:
            @property
            def kind(self):
                from shop.config import KIND
                return KIND
        def get():
            seen["last"] = len(seen)
            return Page().kind
        """,
    "table": """
        seen = {}
        def load():
            from shop.config import KIND
            return KIND
        PAGES = {"load": load}
        def get():
            seen["last"] = len(seen)
            return PAGES["load"]()
        """,
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
