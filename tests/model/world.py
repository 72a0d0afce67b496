"""Random applications and edits.

A tree is a dict from file to source. Sources are made of a few kinds of statements over a small set
of names, so that they meet each other: cycles, star imports, lazy imports, missing modules and data
files all come about.

Where modules write into each other's state, what a fresh process has there depends on who was
imported, and how often it was tried. So `registries()` is a world of its own: `main` imports all
there is, nobody fails, nobody takes all by a star (which takes what was imported before, too), no
two import each other (what each finds depends on where one enters), and functions that `look` calls
change nothing.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

# Modules of the world; `pack` and `pack.sub` are packages when they have an `__init__.py`.
MODULES = ("main", "one", "two", "three", "pack", "pack.alpha", "pack.beta", "pack.sub.deep")
DATA = "data.txt"
# Names that a package may define itself though a submodule has them.
SHADOWING = ("alpha = 5", "from .alpha import V as alpha", "def beta(): pass", "from . import beta")

_names = st.sampled_from(MODULES)
_numbers = st.integers(0, 99)


def file_of(name: str, package: bool) -> str:
    """Return the file of a module: ``"pack/__init__.py"``, ``"pack/alpha.py"``."""
    path = name.replace(".", "/")
    return f"{path}/__init__.py" if package else f"{path}.py"


def files_of(name: str) -> tuple[str, str]:
    """Return the files that a module can have."""
    return file_of(name, True), file_of(name, False)


def _bound(name: str) -> str:
    return name.replace(".", "_")


@st.composite
def _statement(draw: st.DrawFn, module: str) -> str:
    other = draw(_names)
    bound = _bound(other)
    return draw(
        st.sampled_from(
            [
                f"V = {draw(_numbers)}",
                f"W{draw(st.integers(0, 2))} = {draw(_numbers)}",
                f"import {other}",
                f"import {other} as m_{bound}",
                f"from {other} import V as v_{bound}",
                f"import {other}\nSUM_{bound} = {other}.V + 1",
                f"from {other} import *",
                f"try:\n    import {other} as t_{bound}\nexcept ImportError:\n    t_{bound} = None",
                f"try:\n    from {other} import W1 as w_{bound}\n"
                f"except ImportError:\n    w_{bound} = 'none'",
                f"def lazy_{bound}():\n    import {other}\n    return {other}.V",
                f"def lazy_from_{bound}():\n    from {other} import V\n    return V",
                f"class C_{bound}:\n    V = {draw(_numbers)}\n    def where(self): return __name__",
                f"import {other}\nclass D_{bound}({other}.Base): pass",
                "class Base: pass",
                "try:\n    with open(__file__.rpartition('/')[0] + '/data.txt') as file:\n"
                "        DATA = file.read()\nexcept OSError:\n    DATA = file = None\n",
                *(["from . import alpha"] if module.startswith("pack") else []),
                *(["from .beta import V as rel"] if module.startswith("pack") else []),
                *(SHADOWING if module == "pack" else []),
                "__all__ = ['V', 'W1']\nW1 = 5",
                "raise ValueError('broken')" if draw(st.integers(0, 5)) == 0 else "V = 7",
                "def broken(:" if draw(st.integers(0, 5)) == 0 else "X = 1",
            ]
        )
    )


@st.composite
def _writing(draw: st.DrawFn, module: str) -> str:
    """Return a statement of the world in which modules write into each other's state."""
    later = MODULES[MODULES.index(module) + 1 :] or ("main",)
    other, number = draw(st.sampled_from(later)), draw(_numbers)
    bound, row = _bound(other), f"(__name__, {number})"
    imports = [
        f"import {other}\nSUM_{bound} = {other}.V + 1",
        f"from {other} import V as v_{bound}",
        f"import {other}\nif hasattr({other}, 'R'): {other}.R.append({row})",
        f"from {other} import note as n_{bound}\nn_{bound}({row})",
        f"from {other} import note as n_{bound}\n[n_{bound}((__name__, x)) for x in range(2)]",
        f"import {other}\n(lambda: {other}.note({row}) if hasattr({other}, 'R') else None)()",
        f"import {other}\nT_{bound} = [next({other}.C) for _ in 'a' if hasattr({other}, 'C')]",
        f"def put(_):\n    import {other}\n    getattr({other}, 'R', []).append({row})\nput(0)",
        f"def put(_):\n    from {other} import note\n    note((__name__, 0))\nput(0)",
        # Under `overlay` a name that no statement binds stays.
        f"try:\n    exec('import {other}; {other}.R.append({row})')\n"
        f"finally:\n    globals().pop('{other.partition('.')[0]}', None)",
    ]
    owns = ["R = []\ndef note(x): R.append(x)", "import itertools\nC = itertools.count()"]
    line = draw(
        st.sampled_from([f"V = {number}", *owns, *owns, *(imports if later != ("main",) else [])])
    )
    if line not in imports:
        return line
    # Under `overlay` a name that an assignment binds, which is not reached, keeps its value.
    unbound = "".join(f"    {name} = None\n" for name in re.findall(r"^(?:SUM|T)_\w+", line, re.M))
    indented = line.replace("\n", "\n    ")
    return f"try:\n    {indented}\nexcept (ImportError, AttributeError):\n{unbound}    pass"


@st.composite
def writing_source(draw: st.DrawFn, module: str) -> str:
    """Return the same as `source`, of that world."""
    every = [
        f"try: import {name}\nexcept ImportError: pass" for name in MODULES if module == "main"
    ]
    statements = draw(st.lists(_writing(module), min_size=0, max_size=5))
    return "\n".join(["V = 1", *every, *statements, ""])


@st.composite
def registries(draw: st.DrawFn) -> tuple[dict[str, str], list[list[tuple[str, str, str, str]]]]:
    """Return an application in which modules write into each other's state, and edits of it."""
    chosen = ["main", *draw(st.lists(_names, unique=True, max_size=7))]
    files = {file_of(name, name == "pack"): draw(writing_source(name)) for name in chosen}
    edits = []
    for _ in range(draw(st.integers(0, 4))):
        kinds = st.sampled_from(["write", "write", "write", "delete", "package", "touch"])
        names = draw(st.lists(_names, min_size=1, max_size=3))
        edits.append([(draw(kinds), name, draw(writing_source(name)), name) for name in names])
    return files, edits


@st.composite
def source(draw: st.DrawFn, module: str) -> str:
    """Return a module's source."""
    statements = draw(st.lists(_statement(module), min_size=0, max_size=5))
    return "\n".join(["V = 1", *statements, ""])


@st.composite
def tree(draw: st.DrawFn) -> dict[str, str]:
    """Return an application: `main` and some of the others."""
    chosen = ["main", *draw(st.lists(_names, unique=True, max_size=7))]
    files: dict[str, str] = {}
    for name in dict.fromkeys(chosen):
        package = name == "pack" or (name == "one" and draw(st.booleans()))
        files[file_of(name, package)] = draw(source(name))
    if draw(st.booleans()):
        files[DATA] = "old"
    return files


@st.composite
def edit(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """Return an edit: what kind, which module, a new source, another module."""
    kind = draw(
        st.sampled_from(
            ["write", "write", "write", "write", "delete", "rename", "package", "data", "touch"]
        )
    )
    name = draw(_names)
    return kind, name, draw(source(name)), draw(_names)


def edits() -> st.SearchStrategy[list[tuple[str, str, str, str]]]:
    """Return edits that one update takes up."""
    return st.lists(edit(), min_size=1, max_size=3)


def apply(files: dict[str, str], what: tuple[str, str, str, str]) -> dict[str, str]:
    """Return the tree after an edit."""
    kind, name, text, other = what
    files = dict(files)
    here = next((f for f in (file_of(name, True), file_of(name, False)) if f in files), None)
    if kind == "write":
        files[here or file_of(name, name == "pack")] = text
    elif kind == "delete" and here and name != "main":
        del files[here]
    elif kind == "rename" and here and name != "main":
        moved = files.pop(here)
        files[file_of(other, other == "pack")] = moved
    elif kind == "package" and here and name in ("one", "two"):
        moved = files.pop(here)
        files[file_of(name, not here.endswith("__init__.py"))] = moved
    elif kind == "data":
        if files.pop(DATA, None) is None:
            files[DATA] = text[:10]
    elif kind == "touch" and here:
        files[here] += "# touched\n"
    return files
