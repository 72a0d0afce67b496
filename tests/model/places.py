"""Places where a function of `kept_world` keeps what it imports."""

from __future__ import annotations

# Places where a function keeps something: `#` stands for a number, `IMPORT` and `VALUE` for these.
PLACES = {
    "dict": """
kept_# = {}
def get_#():
    if not kept_#:
        IMPORT
        kept_#[0] = VALUE
    return kept_#[0]
""",
    "list": """
kept_# = []
def get_#():
    if not kept_#:
        IMPORT
        kept_#.append(VALUE)
    return kept_#[0]
""",
    "global": """
kept_# = None
def get_#():
    global kept_#
    if kept_# is None:
        IMPORT
        kept_# = VALUE
    return kept_#
""",
    "class attribute": """
class Kept_#:
    found = None
def get_#():
    if Kept_#.found is None:
        IMPORT
        Kept_#.found = [VALUE]
    return Kept_#.found[0]
""",
    "slots": """
class Slots_#:
    __slots__ = ("found",)
kept_# = Slots_#()
def get_#():
    if not hasattr(kept_#, "found"):
        IMPORT
        kept_#.found = VALUE
    return kept_#.found
""",
    "method": """
class Page_#:
    found = None
    def load(self):
        if self.found is None:
            IMPORT
            self.found = [VALUE]
        return self.found[0]
kept_# = Page_#()
def get_#():
    return kept_#.load()
""",
    "function attribute": """
def get_#():
    if not hasattr(get_#, "found"):
        IMPORT
        get_#.found = VALUE
    return get_#.found
""",
    "default": """
def get_#(found=[]):
    if not found:
        IMPORT
        found.append(VALUE)
    return found[0]
""",
    "closure": """
def make_#():
    found = None
    def get():
        nonlocal found
        if found is None:
            IMPORT
            found = [VALUE]
        return found[0]
    return get
kept_# = make_#()
def get_#():
    return kept_#()
""",
    "lru_cache": """
@functools.lru_cache
def kept_#():
    IMPORT
    return VALUE
def get_#():
    return kept_#()
""",
    "cache of a caller": """
def load_#():
    IMPORT
    return VALUE
kept_# = functools.cache(load_#)
def get_#():
    return kept_#()
""",
    "cached property": """
class Lazy_#:
    @functools.cached_property
    def found(self):
        IMPORT
        return VALUE
kept_# = Lazy_#()
def get_#():
    return kept_#.found
""",
    "thread local": """
kept_# = threading.local()
def get_#():
    if not hasattr(kept_#, "found"):
        IMPORT
        kept_#.found = VALUE
    return kept_#.found
""",
    "context variable": """
kept_# = contextvars.ContextVar("kept")
def get_#():
    if kept_#.get(None) is None:
        IMPORT
        kept_#.set([VALUE])
    return kept_#.get()[0]
""",
    "foreign attribute": """
colorsys.__dict__.pop("kept_%s_#" % __name__, None)
def get_#():
    name = "kept_%s_#" % __name__
    if not hasattr(colorsys, name):
        IMPORT
        setattr(colorsys, name, VALUE)
    return getattr(colorsys, name)
""",
    "lazy attribute": """
def __getattr__(name):
    if name != "kept_#":
        raise AttributeError(name)
    IMPORT
    globals()[name] = VALUE
    return globals()[name]
def get_#():
    return getattr(sys.modules[__name__], "kept_#")
""",
    "generator": """
def kept_items_#():
    IMPORT
    while True:
        yield VALUE
kept_# = kept_items_#()
def get_#():
    global kept_#
    if kept_#.gi_frame is None:
        kept_# = kept_items_#()
    return next(kept_#)
""",
    "weak key": """
class Key_#: pass
kept_key_# = Key_#()
kept_# = weakref.WeakKeyDictionary()
def get_#():
    if kept_key_# not in kept_#:
        IMPORT
        kept_#[kept_key_#] = VALUE
    return kept_#[kept_key_#]
""",
    "helper": """
kept_# = []
def kept_hold_#(found):
    kept_#[:] = [found]
def get_#():
    if not kept_#:
        IMPORT
        kept_hold_#(VALUE)
    return kept_#[0]
""",
    "nothing": """
def get_#():
    IMPORT
    found = {}
    found[0] = VALUE
    return found[0]
""",
}
