"""The imports of a function, and the places where it keeps imported values."""

from __future__ import annotations

from typing import NamedTuple

# Methods that keep nothing of what they are given, by the beginnings of their names.
ASK = (
    *("check", "compare", "contains", "count", "critical", "debug", "decode", "dump", "encode"),
    *("error", "exception", "fatal", "fetch", "filter", "find", "format", "get", "has", "index"),
    *("info", "is", "join", "log", "match", "query", "read", "render", "replace", "search"),
    *("select", "split", "strip", "sub", "trace", "validate", "warn"),
)


class Kept(NamedTuple):
    """A place where a function keeps something.

    Attributes:
        name: the imported name that was kept itself, or called, as a whole; empty if the value was
            computed from one.
        called: whether it is the result of calling that name.
        root: the name of the module's own that leads to the place, if it is known.
        whole: whether it is a module, and not something of one.
    """

    name: str
    called: bool
    root: str
    whole: bool = False


class Import(NamedTuple):
    """An import in a function: `from .shop import tax` is ``(1, "shop", ("tax",))``."""

    level: int
    module: str
    # Empty: the module itself.
    names: tuple[str, ...]


class Passed(NamedTuple):
    """A call that gets something of an import: `hold(KIND)` is ``("hold", (), (KIND,))``."""

    function: str
    # The names that lead to the other arguments, and to the object of a method.
    roots: tuple[str, ...]
    # What it gets of the import: places without a root.
    given: tuple[Kept, ...]
    # The positions and keywords of these arguments (None for `**`); none if they cannot be told.
    places: tuple[int | str | None, ...] = ()


class Keeper(NamedTuple):
    """A function that imports, and the values that it keeps."""

    name: str
    imports: tuple[Import, ...]
    # What it gives to calls such as `import_string`, none where that is computed; empty if it
    # runs text or uses `sys.modules`, and so may import what no other function names.
    calls: tuple[str | None, ...]
    kept: tuple[Kept, ...]
    passed: tuple[Passed, ...]
    # The imported values that it returns: places without a root.
    returned: tuple[Kept, ...]
    # Its decorators, if it returns something computed from the import: `functools.cache`.
    decorators: tuple[str, ...]
    # Whether it uses what the functions of another module return.
    uses_others: bool
