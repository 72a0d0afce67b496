"""Which words do the functions of a module use, and do they import anything?

Read off the code object, which is precompiled: that takes a small part of the time that parsing
the source takes. Most sources turn out to have nothing to do with a question, and are not parsed.
"""

from __future__ import annotations

import dis
import re
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# `co_flags` bit of functions; class bodies and modules lack it.
_OPTIMIZED = 1
_IMPORT = dis.opmap["IMPORT_NAME"]
# Import statements of a simple form. In brackets there may be comments, which are not looked for.
_IMPORTS = re.compile(rb"\bimport[ \t]+(?:\([\w\s,]*\)|[\w \t,]+$)", re.MULTILINE)


class Words(NamedTuple):
    """The names and attributes in the code of a module.

    Attributes:
        inside: those in functions, and whatever else is compiled as a function is.
        outside: those in module-level code and class bodies.
        imports: whether a function has an import statement.
        named: the modules that import statements in functions name, as written: `..shop`.
    """

    inside: frozenset[str]
    outside: frozenset[str]
    imports: bool
    named: frozenset[str]


def words(code: CodeType) -> Words:
    """Return the words of a module's code."""
    inside: set[str] = set()
    outside: set[str] = set()
    imports = False
    named: set[str] = set()
    waiting = [(code, False)]
    while waiting:
        each, is_inside = waiting.pop()
        found = inside if is_inside else outside
        for names in (each.co_names, each.co_varnames, each.co_freevars, each.co_cellvars):
            found.update(names)
        # Argument bytes may look like the instruction: then the source is parsed in vain.
        if is_inside and _IMPORT in each.co_code[::2]:
            imports = True
            named.update(_named(each))
        for constant in each.co_consts:
            if isinstance(constant, CodeType):
                waiting.append((constant, is_inside or bool(constant.co_flags & _OPTIMIZED)))
    for found in (inside, outside):
        # `self.__load` of a class `Tea` is `_Tea__load` in its code.
        private = [name for name in found if name.startswith("_") and "__" in name[1:]]
        found.update(name[name.index("__", 1) :] for name in private)
    return Words(frozenset(inside), frozenset(outside), imports, frozenset(named))


def _named(code: CodeType) -> Iterator[str]:
    """Yield the modules that the import statements of a function name."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for at, step in enumerate(steps):
        # Before it are the number of dots, and the names that are taken.
        if step.opname == "IMPORT_NAME" and type(steps[at - 2].argval) is int:
            yield "." * steps[at - 2].argval + step.argval


def may_give(text: bytes, names: frozenset[str]) -> bool:
    """Tell whether a source may have a call that gets one of these, as `cache(load)` does.

    Args:
        text: the source.
        names: without dots. A `shop.load` is found as `load`.
    """
    if not all(name.isascii() for name in names):
        return True
    any_of = b"|".join(re.escape(name.encode()) for name in sorted(names))
    given = rb"\b(?:%s)(?:\s|\\|#[^\n]*)*[,)]" % any_of
    return bool(names) and re.search(given, _IMPORTS.sub(b"", text)) is not None
