"""What do the functions of a source import, and where do they put what comes from it?

Read off the syntax tree. A value comes from an import if an imported name, or the result of a
function of the source that returns such a value, is a part of its expression. What follows from it
is `kept_values.py`'s.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Functions that import the module whose name they are given.
_IMPORTERS = frozenset(
    {"__import__", "import_module", "import_string", "import_object", "load_object", "locate"}
    | {"resolve_name", "import_from_string", "symbol_by_name"}
)
# Methods that put their arguments into their object, by the beginnings of their names.
_PUT = (
    *("add", "append", "assign", "cache", "connect", "extend", "insert", "memo", "offer", "push"),
    *(
        "put",
        "register",
        "remember",
        "save",
        "send",
        "set",
        "store",
        "subscribe",
        "update",
        "__set",
    ),
)
# Decorators of generators that are run to their end.
_RUN_TO_END = ("contextmanager", "fixture")
# Functions whose result is a namespace.
_NAMESPACES = frozenset({"globals", "vars", "locals", "getattr"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Kept(NamedTuple):
    """A place where a function keeps something.

    Attributes:
        name: the imported name that was kept itself, or called, as a whole; empty if the value was
            computed from one.
        called: whether it is the result of calling that name.
        root: the name of the module's own that leads to the place, if it is known.
    """

    name: str
    called: bool
    root: str


class Import(NamedTuple):
    """An import in a function: `from .shop import tax` is ``(1, "shop", ("tax",))``."""

    level: int
    module: str
    # Empty: the module itself.
    names: tuple[str, ...]


class Keeper(NamedTuple):
    """A function that imports, and what it keeps of it."""

    imports: tuple[Import, ...]
    # What it gives to calls such as `import_string`, none where that is computed.
    calls: tuple[str | None, ...]
    kept: tuple[Kept, ...]
    # Its decorators, if it returns something computed from the import: `functools.cache`.
    decorators: tuple[str, ...]


def keepers(text: bytes) -> tuple[Keeper, ...]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    functions = [(function, *_sources(function)) for function in _functions(tree)]
    wrappers = _wrappers(tree)
    # The names of functions whose results come from an import: calling one is a source as well.
    returning: dict[str, _Scan] = {}
    scans: list[_Scan] = []
    for _ in range(4):
        scans = [
            _Scan(function, returning, wrappers)
            for function, imports, called in functions
            if imports or not called.isdisjoint(returning)
        ]
        found = {scan.name: scan for scan in scans if scan.returns}
        if found.keys() == returning.keys():
            break
        returning = found
    return tuple(scan.keeper() for scan in scans if scan.imports or scan.calls)


def _sources(function: _Function) -> tuple[bool, set[str]]:
    """Tell whether a function imports, and name what it calls."""
    imports, called = False, set()
    for node in ast.walk(function):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports = True
        elif isinstance(node, ast.Call):
            called.add(_dotted(node.func).rpartition(".")[2])
    return imports or not called.isdisjoint(_IMPORTERS), called


def _functions(tree: ast.AST) -> Iterator[_Function]:
    """Yield the functions that are in no other function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        else:
            yield from _functions(node)


def _wrappers(tree: ast.AST) -> dict[str, list[str]]:
    """Map the name of a function to what it is given to: `rate = functools.cache(load)`."""
    found: dict[str, list[str]] = {}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Call):
            for given in node.args:
                if isinstance(given, ast.Name):
                    found.setdefault(given.id, []).append(_dotted(node))
    return found


def _dotted(node: ast.expr) -> str:
    """Return ``functools.lru_cache`` for what is written so, called or not; empty for others."""
    if isinstance(node, ast.Call):
        return _dotted(node.func)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _Scan:
    """One function that is in no other, with those in it.

    Attributes:
        name: the function's.
        imports: its import statements.
        calls: the arguments of its calls of functions that import.
        kept: what it keeps.
        returns: whether it returns something that is computed from an import.
    """

    def __init__(
        self,
        function: _Function,
        returning: dict[str, _Scan],
        wrappers: dict[str, list[str]],
    ) -> None:
        self.name = function.name
        self.imports: list[Import] = []
        self.calls: list[str | None] = []
        self.kept: list[Kept] = []
        self.returns = False
        self._decorators = list(wrappers.get(function.name, ()))
        self._returning = returning
        # Local name -> the imported name that it stands for, empty if it is computed from one.
        self._tainted: dict[str, str] = {}
        # Local name -> the name that leads to what it is another name for.
        self._alias: dict[str, str] = {}
        # Local names of what the function has made itself.
        self._made: set[str] = set()
        # A loop may use in its first lines what its last lines made.
        for _ in range(2):
            self.kept.clear()
            self._function(function, frozenset())

    def keeper(self) -> Keeper:
        decorators = tuple(self._decorators) if self.returns else ()
        return Keeper(
            tuple(set(self.imports)), tuple(set(self.calls)), tuple(self.kept), decorators
        )

    def _function(self, function: _Function, around: frozenset[str]) -> None:
        decorators = [_dotted(one) for one in function.decorator_list]
        self._decorators += [one for one in decorators if one not in self._decorators]
        outside = {
            name
            for node in ast.walk(function)
            if isinstance(node, (ast.Global, ast.Nonlocal))
            for name in node.names
        }
        made, alias = self._made, self._alias
        # What a function around it has made outlives a call of this one.
        self._made, self._alias = set(), dict(alias)
        run_to_end = any(word in one.lower() for one in decorators for word in _RUN_TO_END)
        self._body(function.body, outside | around, run_to_end=run_to_end)
        inner = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        self._made, self._alias = made, alias
        if inner & self._tainted.keys() and function.name != self.name:
            self._tainted.setdefault(function.name, "")

    def _body(self, body: list[ast.stmt], outside: set[str], *, run_to_end: bool) -> None:
        for statement in body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._function(statement, frozenset(outside))
                continue
            if isinstance(statement, ast.ClassDef):
                self._body(statement.body, outside, run_to_end=run_to_end)
                continue
            self._statement(statement, outside, run_to_end=run_to_end)
            for inner in ("body", "orelse", "finalbody"):
                self._body(getattr(statement, inner, []), outside, run_to_end=run_to_end)
            for inner in ("handlers", "cases"):
                for one in getattr(statement, inner, []):
                    self._body(one.body, outside, run_to_end=run_to_end)

    def _statement(self, statement: ast.stmt, outside: set[str], *, run_to_end: bool) -> None:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self._import(statement, outside)
            return
        for node in self._expressions(statement):
            if isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.NamedExpr) and self._comes(node.value) is not None:
                self._store(node.target, node.value, outside)
            elif isinstance(node, (ast.Yield, ast.YieldFrom)) and self._tainted and not run_to_end:
                self.kept.append(Kept("", False, ""))
        if isinstance(statement, ast.Return):
            self.returns |= statement.value is not None and self._comes(statement.value) is not None
        elif isinstance(statement, (ast.If, ast.While)):
            self._depends(statement, outside)
        else:
            self._bindings(statement, outside)

    def _import(self, statement: ast.Import | ast.ImportFrom, outside: set[str]) -> None:
        names = [one.name for one in statement.names]
        if isinstance(statement, ast.Import):
            self.imports += [Import(0, name, ()) for name in names]
        else:
            self.imports.append(Import(statement.level, statement.module or "", tuple(names)))
        for one in statement.names:
            whole = isinstance(statement, ast.Import)
            bound = one.asname or (one.name.partition(".")[0] if whole else one.name)
            self._bind(bound, "" if whole else one.name, outside)

    def _bindings(self, statement: ast.stmt, outside: set[str]) -> None:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                self._store(target, statement.value, outside)
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            if statement.value is not None:
                self._store(statement.target, statement.value, outside)
        elif isinstance(statement, (ast.For, ast.AsyncFor)):
            self._store(statement.target, statement.iter, outside, item=True)
        elif isinstance(statement, (ast.With, ast.AsyncWith)):
            for entered in statement.items:
                if entered.optional_vars is not None:
                    self._store(entered.optional_vars, entered.context_expr, outside, item=True)

    def _depends(self, statement: ast.If | ast.While, outside: set[str]) -> None:
        """What is stored may depend on the import, although it is not computed from it."""
        if self._comes(statement.test) is None:
            return
        for inner in (*statement.body, *statement.orelse):
            for name in self._kept_names(inner, outside):
                self.kept.append(Kept("", False, name))

    def _expressions(self, statement: ast.stmt) -> Iterator[ast.AST]:
        """Yield the nodes of a statement without those of the statements in it."""
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [
                child
                for child in ast.iter_child_nodes(node)
                if not isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
            ]

    def _kept_names(self, statement: ast.stmt, outside: set[str]) -> Iterator[str]:
        for node in ast.walk(statement):
            if (
                isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Store)
                and node.id in outside
            ):
                yield node.id

    def _bind(self, name: str, imported: str, outside: set[str]) -> None:
        self._tainted[name] = imported
        if name in outside:
            self.kept.append(Kept(imported, False, name))

    def _call(self, call: ast.Call) -> None:
        function = _dotted(call.func).rpartition(".")[2]
        if function in _IMPORTERS:
            first = call.args[0] if call.args else None
            known = isinstance(first, ast.Constant) and isinstance(first.value, str)
            self.calls.append(first.value if known else None)  # type: ignore[union-attr]
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if function in ("setattr", "__setattr__") and len(given) >= 2:
            if isinstance(call.func, ast.Name) or len(given) > 2:
                self._put(given[0], given[-1])
            return
        if isinstance(call.func, ast.Attribute) and function.startswith(_PUT):
            for value in given:
                self._put(call.func.value, value)

    def _put(self, into: ast.expr, value: ast.expr) -> None:
        """`value` is put into the object `into`."""
        source = self._comes(value)
        root = self._root(into)
        if source is not None and root is not None:
            self.kept.append(Kept(*source, root))

    def _store(
        self, target: ast.expr, value: ast.expr, outside: set[str], *, item: bool = False
    ) -> None:
        source = self._comes(value)
        if isinstance(target, (ast.Tuple, ast.List)):
            for one in target.elts:
                self._store(one, value, outside, item=True)
        elif isinstance(target, ast.Starred):
            self._store(target.value, value, outside, item=True)
        elif isinstance(target, ast.Name):
            if source is not None:
                name = source[0] if not source[1] and not item else ""
                self._tainted[target.id] = name
                if target.id in outside:
                    self.kept.append(Kept("" if item else source[0], source[1], target.id))
            self._name(target.id, value)
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            root = self._root(target.value)
            if source is not None and root is not None:
                self.kept.append(Kept("" if item else source[0], source[1], root))

    def _name(self, name: str, value: ast.expr) -> None:
        """A local name stands for a value from now on."""
        if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
            root = self._root(value)
            if root is not None:
                self._alias[name] = root
                return
        called = _dotted(value) if isinstance(value, ast.Call) else None
        last = called.rpartition(".")[2] if called is not None else ""
        if called is None or last[:1].isupper() or last in ("dict", "list", "set", "copy"):
            self._made.add(name)
        elif last in _NAMESPACES:
            self._alias[name] = ""

    def _root(self, node: ast.expr) -> str | None:
        """Return the name that leads to an object; none if the function, or the import, made it."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(node, ast.Call):
            function = _dotted(node.func).rpartition(".")[2]
            made = self._comes(node) is not None or function[:1].isupper()
            return "" if function in _NAMESPACES or not made else None
        if not isinstance(node, ast.Name):
            return None
        if node.id in self._alias:
            return self._alias[node.id]
        if node.id in self._tainted or node.id in self._made:
            return None
        return node.id

    def _comes(self, value: ast.expr) -> tuple[str, bool] | None:
        """Return the imported name that a value is, and whether it is called.

        Returns: none if the value does not come from an import.
        """
        if isinstance(value, ast.Name):
            return (self._tainted[value.id], False) if value.id in self._tainted else None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            name = self._tainted.get(value.func.id)
            if name:
                return name, True
        for node in ast.walk(value):
            if isinstance(node, ast.Name) and node.id in self._tainted:
                return "", False
            if isinstance(node, ast.Call):
                function = _dotted(node.func).rpartition(".")[2]
                if function in _IMPORTERS:
                    return "", False
                other = self._returning.get(function)
                if other is not None and other is not self:
                    self.imports += [one for one in other.imports if one not in self.imports]
                    self.calls += [one for one in other.calls if one not in self.calls]
                    return "", False
        return None
