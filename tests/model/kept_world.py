"""Random applications whose modules and functions keep what they got of other modules.

What `world` leaves out: functions that import and keep what they got, in each of the places there
are; submodules that are reached as attributes of their packages; classes that are found by their
base classes and in registries, weak ones among them; data files with dots in their names, folders
that are listed, environment variables.

Module-level imports lead to later modules only, and `main` begins with the last one, so that what
a module finds does not depend on where a process enters. The one exception is a submodule that
imports its package, which may import from it. For the same reason a module reads only variables of
the environment that a module sets which it imports: one that a later module sets is there if only
the reader runs again (docs/limitations.md). Functions import anything. Names that begin with `kept`
hold what calls have left there, and are not compared.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

from model.places import PLACES

MODULES = ("main", "one", "two", "pack", "pack.alpha", "pack.sub", "pack.sub.deep", "three")
DATA = (".env", "conf.d/.hidden.txt", "a.b.c.txt")
FOLDER = "parts"

_numbers = st.integers(0, 99)

# Each ends in an expression for the module, its class and its number.
_IMPORTS = (
    ("import {o}", "{o}", "{o}.K", "{o}.V"),
    ("import {o} as m", "m", "m.K", "m.V"),
    ("from {o} import K, V", "K", "K", "V"),
    ("from {o} import K as k, V as v", "k", "k", "v"),
    ("m = __import__('importlib').import_module('{o}')", "m", "m.K", "m.V"),
    ("m = __import__('{o}', fromlist=['K'])", "m", "m.K", "m.V"),
    ("k = __import__('pkgutil').resolve_name('{o}:K')", "k", "k", "k.V"),
)
_VALUES = (
    *("{k}", "{k}()", "{k}().me", "{v}", "{v}", "{v} + 1", "{m}", "[{k}, {v}]", "{{'v': {v}}}"),
    *("(lambda: {k})", "(lambda: {v})", "(lambda v={v}: v)", "functools.partial({k})"),
)
# Module-level code that uses a later module `o`; `p` is its package and `t` the rest of its name.
_USES = (
    "import {o}\nSUM_# = {o}.V + 1",
    "from {o} import V as v_#, K as K_#",
    "from {o} import *",
    "import {o}\nclass D_#({o}.K): V = #",
    "import {o}\nclass D_#({o}.Base): V = #",
    "import {o}\nSUBS_# = sorted(k.V for k in {o}.Base.__subclasses__())",
    "import {o}\nclass E_#({o}.Listed): V = #",
    "import {o}\nclass R_#: V = #\n{o}.Abstract.register(R_#)",
    "import {o}\nIS_# = issubclass(int, {o}.Abstract)",
    "import {o}\n{o}.Abstract.register(int)",
    "import {o}\nclass W_#: V = #\n{o}.kept_weak.add(W_#)",
    "import {o}\nclass X_#: V = #\n{o}.kept_by_name[__name__ + '#'] = X_#",
    "import {o}\nclass Y_#: V = #\n{o}.kept_refs.append(weakref.ref(Y_#))",
    "import {o}\n{o}.kept_rows.append((__name__, #))",
    "import {o}\nos.environ['MODEL_{me}'] = '#'",
    "import {o}\nENV_# = os.environ.get('MODEL_{u}')",
)
# The same for a submodule that is reached through its package.
_ATTRIBUTES = (
    "import {p}\nATTR_# = {p}.{t}.V",
    "import {p} as q_#\nATTR_# = q_#.{t}.V + 1",
    "import {p}\nATTR_# = getattr({p}, '{first}', None) is not None and {p}.{t}.V",
    "import {p}\nclass F_#({p}.{t}.K): V = #",
    "import {p}\nATTR_# = [n for n, m in inspect.getmembers({p}, inspect.ismodule)]",
    "import {p}\nATTR_# = (lambda: {p}.{t}.V)()",
    "import {p}\ndef attr_#(): return {p}.{t}.V",
    "from {p} import *\ndef attr_#(): return {t}.V",
    "import {p}\nkept_at_# = []\ndef attr_#():\n"
    "    if not kept_at_#:\n        kept_at_#.append({p}.{t}.V)\n    return kept_at_#[0]",
)
_HEAD = """import abc, colorsys, contextvars, functools, inspect, os, sys, threading, weakref
class K:
    V = #
    def me(self): return self
class Base: V = #
class Listed:
    V = #
    kept_rows = []
    def __init_subclass__(cls): Listed.kept_rows.append(cls)
class Abstract(abc.ABC): pass
kept_weak = weakref.WeakSet()
kept_by_name = weakref.WeakValueDictionary()
kept_refs = []
kept_rows = []
def subclasses(): return sorted((k.__module__, k.__name__, k.V) for k in Base.__subclasses__())
def listed(): return sorted((k.__module__, k.__name__, k.V) for k in Listed.kept_rows)
def weak(): return sorted((k.__module__, k.__name__, k.V) for k in kept_weak)
def by_name(): return sorted((n, k.V) for n, k in kept_by_name.items())
def refs(): return sorted((r().__module__, r().__name__, r().V) for r in kept_refs if r())
def rows(): return sorted(kept_rows)
def is_abstract(): return issubclass(int, Abstract)
"""
# `file` is bound in any case, because `overlay` would carry it.
_DATA = """
try:
    with open(ROOT + '/{file}') as file:
        DATA_# = file.read()
except OSError:
    DATA_# = file = None
"""
_LISTING = """
try:
    LISTED_# = sorted(os.listdir(ROOT + '/parts'))
except OSError:
    LISTED_# = None
"""


def file_of(name: str) -> str:
    """Return the file of a module: ``"pack/__init__.py"``, ``"pack/alpha.py"``."""
    path = name.replace(".", "/")
    return f"{path}/__init__.py" if name in ("pack", "pack.sub") else f"{path}.py"


def _indented(text: str, by: str) -> str:
    return text.replace("\n", "\n" + by)


@st.composite
def _keeper(draw: st.DrawFn, module: str) -> str:
    other = draw(st.sampled_from([name for name in MODULES[1:] if name != module]))
    statement, *expressions = draw(st.sampled_from(_IMPORTS))
    m, k, v = (each.format(o=other) for each in expressions)
    value = draw(st.sampled_from(_VALUES)).format(m=m, k=k, v=v)
    place = PLACES[draw(st.sampled_from(sorted(PLACES)))]
    text = place.replace("IMPORT", statement.format(o=other)).replace("VALUE", value)
    return text.replace("#", str(draw(_numbers)))


@st.composite
def _use(draw: st.DrawFn, module: str) -> str:
    later = MODULES[MODULES.index(module) + 1 :]
    number = str(draw(_numbers))
    if not later:
        return f"V = {number}"
    other = draw(st.sampled_from(later))
    me, used = module.replace(".", "_"), other.replace(".", "_")
    uses = [each.format(o=other, u=used, me=me) for each in _USES]
    package, _, rest = other.partition(".")
    if rest and package != module:
        first = rest.partition(".")[0]
        # Under `overlay` a package that runs again has its submodules from the start.
        within = module.startswith(f"{package}.")
        attributes = [each for each in _ATTRIBUTES if not (within and "import *" in each)]
        uses += [each.format(p=package, t=rest, first=first) for each in attributes]
    text = draw(st.sampled_from(uses)).replace("#", number)
    # Under `overlay` a name that a statement binds, which did not get so far, keeps its value.
    bound = re.findall(rf"\b(?:[A-Z]+|[a-z]+)_{number}\b", text)
    unbound = "".join(f"    {name} = None\n" for name in sorted({*bound}))
    text = _indented(text, "    ")
    return f"try:\n    {text}\nexcept (ImportError, AttributeError):\n{unbound}    pass"


@st.composite
def _statement(draw: st.DrawFn, module: str) -> str:
    number = str(draw(_numbers))
    own = [
        f"V = {number}",
        f"K.V = {number}",
        f"os.environ['MODEL_{module.replace('.', '_')}'] = '{number}'",
        _DATA.format(file=draw(st.sampled_from(DATA))).replace("#", number),
        _LISTING.replace("#", number),
        *(["import pack"] if module.startswith("pack.") else []),
    ]
    kind = draw(st.sampled_from(["keep", "keep", "keep", "use", "use", "own"]))
    if kind == "own":
        return draw(st.sampled_from(own))
    return draw(_keeper(module) if kind == "keep" else _use(module))


@st.composite
def source(draw: st.DrawFn, module: str) -> str:
    """Return a module's source."""
    depth = file_of(module).count("/")
    root = "__file__" + ".rpartition('/')[0]" * (depth + 1)
    every = [
        f"try: import {name}\nexcept ImportError: pass"
        for name in reversed(MODULES[1:])
        if module == "main"
    ]
    statements = draw(st.lists(_statement(module), min_size=0, max_size=4))
    return "\n".join([f"V = {draw(_numbers)}", f"ROOT = {root}", *every, *statements, ""])


def complete(files: dict[str, str]) -> dict[str, str]:
    """Return the files with what all sources begin with, which stories do without."""
    number = {name: text.partition("\n")[0].removeprefix("V = ") for name, text in files.items()}
    return {
        name: _HEAD.replace("#", number[name]) + text if name.endswith(".py") else text
        for name, text in files.items()
    }


@st.composite
def stories(draw: st.DrawFn) -> tuple[dict[str, str], list[list[tuple[str, str, str, str]]]]:
    """Return an application, and edits of it, some of which are one update."""
    files = {file_of(name): draw(source(name)) for name in MODULES}
    for name in draw(st.lists(st.sampled_from(MODULES[1:]), unique=True, max_size=2)):
        del files[file_of(name)]
    kinds = st.sampled_from(["write", "write", "write", "write", "delete", "touch", "data"])
    edits = []
    for _ in range(draw(st.integers(1, 4))):
        batch = []
        for name in draw(st.lists(st.sampled_from(MODULES), min_size=1, max_size=2)):
            kind = draw(kinds)
            data = draw(st.sampled_from([*DATA, f"{FOLDER}/x", f"{FOLDER}/y.z"]))
            text = draw(source(name)) if kind != "data" else str(draw(_numbers))
            batch.append((kind, name, text, data))
        edits.append(batch)
    return files, edits


def apply(files: dict[str, str], what: tuple[str, str, str, str]) -> dict[str, str]:
    """Return the tree after an edit: what kind, which module, its source, a data file."""
    kind, name, text, data = what
    files, file = dict(files), file_of(name)
    if kind == "write":
        files[file] = text
    elif kind == "delete" and name != "main":
        files.pop(file, None)
    elif kind == "touch" and file in files:
        files[file] += "# touched\n"
    elif kind == "data" and files.pop(data, None) is None:
        files[data] = text
    return files
