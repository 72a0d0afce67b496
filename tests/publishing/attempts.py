"""A site full of traps that must never be reached, and a corpus of attempts on it.

Each attempt is a path, decoded once as servers decode it. All are 404, but for the few that say
otherwise. What may be reached is listed as well: a site that is all 404 proves nothing.
"""

from __future__ import annotations

SITE = {
    "index.py": """
        def index(): return "index"
        def hello(): return "hello"
        SECRET = "password"
        """,
    "_private.py": "def show(): return 'private'",
    "__init__.py": "def show(): return 'init'",
    "lib.py": """
        import functools
        def imported(): return "lib"
        def aliased(): return "lib"
        def starred(): return "lib"
        def decorating(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs): return "decorated " + function(*args, **kwargs)
            return wrapper
        def swapping(function):
            return imported
        class Published:
            __publish__ = True
            def index(self): return "made"
        class Shelf:
            def index(self): return "shelf"
            def show(self): return "shelf.show"
        shelf = Shelf()
        """,
    "page.py": """
        import functools, json, lib, os, sys
        import lib as library
        from lib import *
        from lib import Published, Shelf, decorating, imported, swapping
        from lib import shelf as taken
        from os import system
        from types import ModuleType

        def show(): return "show"
        show.attribute = show
        def _hidden(): return "hidden"
        def __dunder__(): return "dunder"
        @decorating
        def decorated(): return "show"
        @functools.lru_cache
        def cached(): return "cached"
        @swapping
        def swapped(): return "swapped"
        square = lambda: "square"

        aliased, rewrapped = lib.aliased, decorating(show)
        alias_class = lib.Published
        try:
            from lib import shelf as maybe
        except ImportError:
            maybe = None
        printing, length, executing = print, len, exec
        joined = ", ".join
        partial = functools.partial(show)
        data, numbers, text, none = {"key": show}, [show], "text", None
        module = lib
        generator = (each for each in [1])

        class Meta(type):
            def method(cls): return "meta"
        class Other(type(lib)):
            def method(self): return "module"
        class Plain:
            def show(self): return "plain"
            def index(self): return "plain"
            def __call__(self): return "called"
            @staticmethod
            def static(): return "static"
            @classmethod
            def made(cls): return "made"
        class Made(metaclass=Meta):
            def show(self): return "made"
            def index(self): return "made"
        class Sneaky(type):
            __publish__ = True
            def show(cls): return "sneaky"
        class ByMeta(metaclass=Sneaky):
            def show(self): return "by meta"
        class Shop:
            __publish__ = True
            def index(self): return "shop"
            def show(self): return "shop.show"
        class Branch(Shop):
            def show(self): return "branch"
        class Listing(dict):
            def show(self): return "listing"
        def outer():
            class Inner:
                def show(self): return "inner"
            return Inner()
        inner = outer()
        Dynamic = type("Dynamic", (), {"show": lambda self: "dynamic"})
        dynamic = Dynamic()
        class Ghost:
            def show(self): return "ghost"
        ghost = Ghost()
        Ghost = None
        plain_module = ModuleType("plain_module")
        plain_module.show = show
        special_module = Other("special_module")
        special_module.show = show
        listing = Listing(key=show)
        error = ValueError("text")

        class Node:
            def __init__(self):
                self.function, self.method, self.cls = show, plain.show, Plain
                self.child = Plain()
                self.path, self.system = os.path, os.system
                self.shop = Shop
                self._secret = Plain()
                self.self = self
            def index(self): return "node"
            def show(self): return "node.show"
            def _hidden(self): return "hidden"
            @property
            def computed(self): return Plain()
            @staticmethod
            def static(): return "static"
            @classmethod
            def made(cls): return "made"
            @functools.cached_property
            def kept(self): return Plain()
            class Nested:
                def show(self): return "nested"
            nested = Nested()
            leaf, kiosk = Plain, Shop
            loads, foreign = json.loads, lib.imported
            def __getattr__(self, name): return show
        class Descriptor:
            def __get__(self, instance, owner=None): return show
            def show(self): return "descriptor"
            def index(self): return "descriptor"
        class Setting(Descriptor):
            def __set__(self, instance, value): pass
        class static_of_ones_own(staticmethod):
            def show(self): return "static"
        class class_of_ones_own(classmethod):
            def __get__(self, instance, owner=None): return lib.imported
        class Bound:
            part = functools.partial(show)
            part_method = functools.partialmethod(show)
            descriptor, setting = Descriptor(), Setting()
            own_static = static_of_ones_own(show)
            own_class = class_of_ones_own(lambda cls: "class")
            foreign_static = staticmethod(lib.imported)
            @static_of_ones_own
            def decorated_static(): return "static"
            @class_of_ones_own
            def decorated_class(cls): return "class"
            @functools.singledispatchmethod
            def dispatched(self, given=1): return "dispatched"
            other = Plain()
            def index(self): return "bound"
            def over(self): return "class"
            def data(self): return "class"
            def __init__(self): self.over, self.data, self.other = lib.imported, [1], Shop()
        class Dictless:
            __dict__ = property(lambda self: {"hidden": Plain()})
            def index(self): return "dictless"
        bound_part = functools.partial(Plain().show)
        bound_things, dictless = Bound(), Dictless()
        class Slotted:
            __slots__ = ("child", "function", "unset")
            def __init__(self): self.child, self.function = Plain(), show
        plain, made = Plain(), Made()
        node, slotted = Node(), Slotted()
        Node.added = lambda self: "added"
        class Foreign(json.JSONEncoder):
            def show(self): return "foreign"
        foreign = Foreign()

        globals()["written"] = show
        setattr(sys.modules[__name__], "set_from_outside", show)
        def bind():
            global bound
            bound = show
        bind()
        for looped in [show]: pass
        with open(__file__) as opened: pass
        (walrus := show)
        gone = show
        del gone
        annotated: object
        def __getattr__(name): return show
        """,
    "shop/index.py": "def index(): return 'shop'",
    "shop/prices.py": "def show(): return 'prices'",
    "shop/_drafts/page.py": "def show(): return 'draft'",
    "shop/.hidden/page.py": "def show(): return 'hidden'",
    "shop/notes.txt": "def show(): return 'notes'",
    "shop/data.pyc": "def show(): return 'compiled'",
    "shop/has-dash.py": "def show(): return 'dash'",
    "shop/two.dots.py": "def show(): return 'dots'",
    "shop/Upper.py": "def show(): return 'upper'",
    "shop/folder.py/page.py": "def show(): return 'folder'",
    "replaced.py": """
        import sys
        class Fake:
            def show(self): return "fake"
            show_too = show
        def show(): return "show"
        sys.modules[__name__] = Fake()
        """,
}

# Beside the folder, and behind links in it.
OUTSIDE = {
    "secret.py": "def show(): return 'secret'",
    "app-other/page.py": "def show(): return 'other'",
}
# Link in the folder -> what it leads to.
LINKS = {
    "linked.py": "../secret.py",
    "linked_folder": "../app-other",
    "linked_up": "..",
    "inside.py": "shop/prices.py",
    "looping.py": "looping.py",
}

# What may be reached, and what it says: that the traps are set beside doors that open.
REACHED = {
    "/": "index",
    "/index": "index",
    "/index/index": "index",
    "/index.py": "index",
    "/index.py/index": "index",
    "/hello": "hello",
    "/hello/": "hello",
    "/index/hello": "hello",
    "/index.py/hello": "hello",
    "/page/show": "show",
    "/page.py/show": "show",
    "/page/decorated": "decorated show",
    "/page/cached": "cached",
    "/page/square": "square",
    "/page/plain": "plain",
    "/page/plain/index": "plain",
    "/page/plain/show": "plain",
    "/page/plain/static": "static",
    "/page/plain/made": "made",
    "/page/Shop": "shop",
    "/page/Shop/show": "shop.show",
    "/page/node": "node",
    "/page/node/show": "node.show",
    "/page/node/child/show": "plain",
    "/page/node/static": "static",
    "/page/node/made": "made",
    "/page/slotted/child/show": "plain",
    "/page/listing/show": "listing",
    "/page/made/show": "made",
    "/page/foreign/show": "foreign",
    "/lib/shelf/show": "shelf.show",
    "/lib/Published": "made",
    "/lib/starred": "lib",
    "/shop": "shop",
    "/shop/": "shop",
    "/shop/index": "shop",
    "/shop/prices/show": "prices",
    "/shop/Upper/show": "upper",
    "/inside/show": "prices",
    "/page/bound_things": "bound",
    "/page/bound_things/other": "shop",
    "/page/dictless": "dictless",
}

_PATHS = {
    "empty elements": ["//", "///", "//hello", "/shop//prices/show", "/page/show//", "//page/show"],
    "dots": [
        "/.", "/..", "/./hello", "/page/./show", "/page/../hello", "/../secret/show",
        "/../secret.py/show", "/shop/../../secret/show", "/shop/../page/show", "/...", "/shop/..",
        "/page/show/..", "/../app/page/show", "/.../page/show",
    ],
    "encoded twice": [
        "/%2e%2e/secret/show", "/%2e%2e%2fsecret/show", "/..%2fsecret/show", "/page%2fshow",
        "/page%00/show", "/%70age/show", "/page/%73how", "/%2fhello", "/%5cpage/show",
    ],
    "encoded too long": [
        "/\u00c0\u00ae\u00c0\u00ae/secret/show", "/\u2025/secret/show", "/\uff0e\uff0e/secret/show",
        "/shop\u2215prices/show", "/shop\uff0fprices/show",
    ],
    "letters that Python takes for others": [
        "/page/\uff53how", "/\uff50age/show", "/page/\u017fhow", "/page/sho\u02b7",
        "/page/\uff3fhidden", "/page/show\u200b", "/page/\u202eshow",
    ],
    "NUL and other controls": [
        "/page\0/show", "/page/show\0", "/page.py\0.txt/show", "/page/show\n", "/page/sh\tow",
        "/\0", "/page\r\n/show", "/page/show\x7f",
    ],
    "other separators": [
        "/shop\\prices/show", "/..\\secret/show", "/page:show", "/page;x=1/show", "/page.show",
        "/C:/secret/show", "/page::$DATA/show", "/~root", "/page/show?", "/page/show#", "/*",
        "/shop.prices/show", "/page show", "/page/show ", "/ page/show", "/page+show", "/page,show",
    ],
    "case": ["/Page/show", "/PAGE/show", "/page/Show", "/page/SHOW", "/Index", "/SHOP/prices/show",
             "/shop/upper/show", "/shop/UPPER/show", "/page.PY/show", "/page/plain/Show",
             "/page/shop"],
    "files that are no pages": [
        "/shop/notes/show", "/shop/notes.txt", "/shop/notes.txt/show", "/shop/data/show",
        "/shop/data.pyc/show", "/shop/has-dash/show", "/shop/two.dots/show", "/shop/folder/show",
        "/shop/folder.py/page/show", "/shop/folder.py/show", "/page.pyc", "/page.pyi/show",
        "/page.py.py/show", "/shop/prices.py/index.py", "/page.py/show.py", "/.py", "/.py/show",
        "/__pycache__", "/__pycache__/page", "/nothing", "/nothing/show", "/shop/nothing",
    ],
    "private files": [
        "/_private/show", "/_private.py/show", "/__init__/show", "/__init__.py/show",
        "/shop/_drafts/page/show", "/shop/.hidden/page/show", "/_/show", "/__main__/show",
    ],
    "links": ["/linked/show", "/linked.py/show", "/linked_folder/page/show", "/looping/show",
              "/linked_up/secret/show", "/linked_up/app/page/show", "/linked_up/app/index"],
    "long": ["/" + "a/" * 31 + "a", "/" + "a/" * 2000, "/" + "a" * 5000, "/page" + "/node" * 40],
}  # fmt: skip

_NAMES = {
    "private names": ["_hidden", "__dunder__", "__dict__", "__builtins__", "__loader__", "__name__",
                      "__file__", "__spec__", "_", "__", "__getattr__", "__auth__", "__doc__"],
    "what is not there": ["nothing", "gone", "index", "annotated", "starred_not"],
    "imported names": ["imported", "starred", "Published", "Shelf", "taken", "maybe", "system",
                       "decorating", "swapping", "aliased", "rewrapped", "alias_class",
                       "swapped", "taken/show", "maybe/show", "maybe/index", "Shelf/show",
                       "Published/index", "alias_class/index", "ModuleType"],
    "modules": ["os", "os/path", "os/system", "os/path/join", "sys", "sys/exit", "sys/modules",
                "lib", "lib/imported", "library", "library/imported", "json/loads", "module",
                "module/imported", "module/shelf/show", "plain_module", "plain_module/show",
                "special_module", "special_module/show", "special_module/method",
                "functools/wraps"],
    "classes": ["Plain", "Plain/show", "Plain/index", "Plain/static", "Plain/made", "Made",
                "Made/show", "Made/method", "Made/mro", "Meta", "Meta/method", "Meta/mro", "Other",
                "Sneaky", "Sneaky/show", "ByMeta", "ByMeta/show", "Branch", "Branch/show",
                "Branch/index", "Node", "Node/show", "Listing", "Listing/fromkeys", "Shop/mro",
                "Shop/nothing"],
    "builtins": ["printing", "length", "executing", "joined", "print", "len", "exec", "eval",
                 "open", "printing/__self__", "joined/__self__", "partial", "partial/func"],
    "data": ["data", "data/key", "data/keys", "data/get", "numbers", "numbers/0", "numbers/append",
             "text", "text/upper", "none", "generator", "generator/send", "error", "error/args",
             "error/with_traceback", "opened", "opened/read"],
    "functions": ["show/__code__", "show/__globals__", "show/__class__", "show/__call__",
                  "show/attribute", "show/attribute/show", "show/index", "show/show",
                  "show/__globals__/os/system", "cached/cache_info", "cached/cache_clear",
                  "decorated/__wrapped__", "square/square", "cached/__wrapped__"],
    "methods": ["plain/show/__func__", "plain/show/__self__", "plain/show/show",
                "plain/show/im_self", "plain/static/static", "plain/made/made",
                "node/show/__func__/__globals__"],
    "objects": ["plain/nothing", "plain/__call__", "plain/__class__", "plain/__dict__",
                "plain/__init__", "made/method", "made/mro", "listing", "listing/keys",
                "listing/key", "listing/clear", "foreign/encode", "foreign/default",
                "foreign/index", "inner", "inner/show", "dynamic", "dynamic/show", "ghost",
                "ghost/show", "slotted", "slotted/function", "slotted/unset",
                "slotted/nothing", "slotted/child/nothing"],
    "what objects have": ["node/function", "node/method", "node/cls", "node/cls/show", "node/path",
                          "node/path/join", "node/system", "node/_secret", "node/_secret/show",
                          "node/_hidden", "node/computed", "node/computed/show", "node/kept",
                          "node/kept/show", "node/Nested", "node/Nested/show", "node/nested",
                          "node/nested/show", "node/leaf", "node/leaf/show", "node/shop",
                          "node/shop/show", "node/kiosk", "node/kiosk/show", "node/loads",
                          "node/foreign", "node/added", "node/anything", "node/anything/at/all",
                          "node/__getattr__", "node/child/show/show", "node/child/nothing"],
    "what stands on a class and binds": [
        f"bound_things/{name}{rest}"
        for name in ("part", "part_method", "descriptor", "setting", "own_static", "own_class",
                     "foreign_static", "decorated_static", "decorated_class", "dispatched")
        for rest in ("", "/show", "/func")
    ] + ["bound_part", "bound_part/func"],
    "what an object has in place of what its class has": [
        "bound_things/over", "bound_things/data", "bound_things/data/append",
    ],
    "what a class says that an object has": ["dictless/hidden", "dictless/hidden/show"],
    "what the source does not define": ["written", "set_from_outside", "bound", "looped", "walrus",
                                        "anything", "each"],
}  # fmt: skip

# What is asked, by what it tries.
ATTEMPTS: dict[str, list[str]] = {
    **_PATHS,
    **{what: [f"/page/{name}" for name in names] for what, names in _NAMES.items()},
    "modules that put another object in their place": ["/replaced/show", "/replaced/show_too",
                                                       "/replaced/Fake", "/replaced"],
    "data of the first page": ["/SECRET", "/index/SECRET", "/index.py/SECRET"],
}  # fmt: skip
