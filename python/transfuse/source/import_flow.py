"""Where does one function put what it imports?

A value comes from an import if an imported name, or the result of a function that returns such a
value, is a part of its expression, or if an import decides that it is used.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from transfuse.source import call_names
from transfuse.source.decisions import decides, decides_handlers, ended_by_import
from transfuse.source.kept_places import Import, Keeper, Kept, Passed
from transfuse.source.syntax import dotted, named_by
from transfuse.source.unseen_calls import is_special, special_methods

if TYPE_CHECKING:
    from transfuse.source.walks import Function, Walks


class Scan:
    """One function that is in no other, with those in it.

    Attributes:
        name: the function's.
        imports: its import statements.
        calls: the arguments of its calls of functions that import.
        kept: what it keeps.
        passed: the calls that get something of an import.
        returned: what it returns of an import.
        uses_others: whether it uses what functions of other modules return.

    What comes of `sources`, which are expressions of the function, counts as if it were imported.
    What follows an import statement of a module in `unreached` has never run.
    """

    def __init__(
        self,
        function: Function,
        returning: dict[str, Scan],
        wrappers: dict[str, list[str]],
        others: frozenset[str],
        walks: Walks,
        *,
        sources: frozenset[ast.AST] = frozenset(),
        unreached: frozenset[str] = frozenset(),
    ) -> None:
        self.name, self._walks = function.name, walks
        self._sources, self._unreached = sources, unreached
        self.imports: list[Import] = []
        self.calls: list[str | None] = []
        self.kept: list[Kept] = []
        self.passed: list[Passed] = []
        self.returned: list[Kept] = []
        self.uses_others = False
        # Whether the statement that is read runs only under a condition on what was imported.
        self._conditional = False
        self._decorators = list(wrappers.get(function.name, ()))
        self._returning, self._others = returning, others
        self._special = frozenset(name for name in returning if is_special(name))
        # Words without which no expression is a source by itself.
        self._words = others | call_names.BRING | returning.keys() | {"sys.modules"}
        # Whether it passes an imported value to a function that is one of its parameters.
        self.calls_back = False
        self._parameters: set[str] = set()
        # Local name -> the imported name that it stands for, empty if it is computed from one.
        self._tainted: dict[str, str] = {}
        # Expressions for modules, as written: `shop.config` after `import shop.config`.
        self._modules: set[str] = set()
        # Local names that are bound to modules, and those that are bound to other values.
        self._whole, self._mixed = set[str](), set[str]()
        # Local name -> the name that leads to what it is another name for.
        self._alias: dict[str, str] = {}
        self._made = set[str]()  # Local names of objects that the function has made itself.
        self._function(function, frozenset())
        if self._tainted or self._whole or self._modules:
            # A loop may use in its first lines what its last lines made.
            self.kept.clear()
            self.passed.clear()
            self._function(function, frozenset())

    def keeper(self) -> Keeper:
        return Keeper(
            self.name,
            tuple(set(self.imports)),
            tuple(set(self.calls)),
            tuple(self.kept),
            tuple(self.passed),
            tuple(set(self.returned)),
            tuple(self._decorators) if self.returned else (),
            self.uses_others,
        )

    def _function(self, function: Function, around: frozenset[str]) -> None:
        self._parameters |= self._walks.parameters(function)
        decorators = [dotted(one) for one in function.decorator_list]
        self._decorators += [one for one in decorators if one not in self._decorators]
        made, alias = self._made, self._alias
        # An object of the function around it outlives a call of this one.
        self._made, self._alias = set(), dict(alias)
        to_end = any(word in one.lower() for one in decorators for word in call_names.RUN_TO_END)
        self._body(function.body, self._walks.outer_names(function) | around, run_to_end=to_end)
        self._made, self._alias = made, alias
        if function.name != self.name and self._walks.names(function) & self._tainted.keys():
            self._tainted.setdefault(function.name, "")

    def _body(self, body: list[ast.stmt], outside: set[str], *, run_to_end: bool) -> None:
        for statement in body:
            if not self._unreached.isdisjoint(named_by(statement)):
                return
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._function(statement, frozenset(outside))
                continue
            if isinstance(statement, ast.ClassDef):
                self._body(statement.body, outside, run_to_end=run_to_end)
                used = self._walks.names(statement) & self._tainted.keys()
                if used or self._walks.imports(statement):
                    self._bind(statement.name, "", outside)
                continue
            self._statement(statement, outside, run_to_end=run_to_end)
            before = self._conditional
            self._conditional |= decides(statement, self._comes)
            for inner in ("body", "orelse", "finalbody"):
                self._body(getattr(statement, inner, []), outside, run_to_end=run_to_end)
            ended = ended_by_import(statement, self._comes, self._walks)
            self._tainted.update(dict.fromkeys(ended, ""))
            self._conditional |= decides_handlers(statement, self._comes, self._walks)
            for inner in ("handlers", "cases"):
                for one in getattr(statement, inner, []):
                    self._body(one.body, outside, run_to_end=run_to_end)
            self._conditional = before

    def _statement(self, statement: ast.stmt, outside: set[str], *, run_to_end: bool) -> None:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self._import(statement, outside)
            return
        for node in self._walks.acts(statement):
            if isinstance(node, ast.Call):
                self._call(node)
                if node in self._sources and isinstance(node.func, ast.Attribute):
                    self._fill(node.func.value)
            elif isinstance(node, ast.Attribute) and dotted(node) == "sys.modules":
                self.calls.append("")
            elif isinstance(node, ast.NamedExpr) and self._comes(node.value) is not None:
                self._store(node.target, node.value, outside)
            elif isinstance(node, (ast.Yield, ast.YieldFrom)) and run_to_end:
                self._return(node.value)
            elif isinstance(node, (ast.Yield, ast.YieldFrom)) and self._tainted:
                self.kept.append(Kept("", False, ""))
        if isinstance(statement, ast.Return):
            self._return(statement.value)
        elif isinstance(statement, ast.Raise):
            # A handler of the caller gets it.
            self._return(statement.exc)
        else:
            self._bindings(statement, outside)

    def _return(self, value: ast.expr | None) -> None:
        source = self._comes(value) if value is not None else None
        if source is not None:
            self.returned.append(Kept(*source, ""))

    def _import(self, statement: ast.Import | ast.ImportFrom, outside: set[str]) -> None:
        names = [one.name for one in statement.names]
        if isinstance(statement, ast.Import):
            self.imports += [Import(0, name, ()) for name in names]
        else:
            self.imports.append(Import(statement.level, statement.module or "", tuple(names)))
        for one in statement.names:
            whole = isinstance(statement, ast.Import)
            bound = one.asname or (one.name.partition(".")[0] if whole else one.name)
            self._bind(bound, "" if whole else one.name, outside, whole=whole)
            if whole:
                self._modules.add(one.asname or one.name)

    def _bindings(self, statement: ast.stmt, outside: set[str]) -> None:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                self._store(target, statement.value, outside)
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            if statement.value is not None:
                self._store(statement.target, statement.value, outside)
        elif isinstance(statement, (ast.For, ast.AsyncFor)):
            self._enter(statement, statement.target, outside)
            self._store(statement.target, statement.iter, outside, item=True)
        elif isinstance(statement, (ast.With, ast.AsyncWith)):
            for entered in statement.items:
                if entered.optional_vars is not None:
                    self._enter(statement, entered.optional_vars, outside)
                    self._store(entered.optional_vars, entered.context_expr, outside, item=True)
        elif isinstance(statement, ast.Match) and self._comes(statement.subject) is not None:
            for node in self._walks.below(statement):
                if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
                    self._bind(node.name, "", outside)

    def _enter(self, statement: ast.stmt, target: ast.expr, outside: set[str]) -> None:
        """`for` and `with` bind what a special method returns."""
        if self._runs_special(statement):
            for name in sorted(self._walks.names(target)):
                self._bind(name, "", outside)

    def _bind(self, name: str, imported: str, outside: set[str], *, whole: bool = False) -> None:
        self._tainted[name] = imported
        (self._whole if whole else self._mixed).add(name)
        if name in outside:
            self.kept.append(Kept(imported, False, name, whole))

    def _call(self, call: ast.Call) -> None:
        function = dotted(call.func).rpartition(".")[2]
        self.calls += call_names.imported_by(call, function)
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if function in call_names.RUN_SOURCE or call in self._sources:
            for one in given:
                self._fill(one)
        if function in call_names.RUN_TEXT:
            self.kept.append(Kept("", False, ""))
        if function in ("setattr", "__setattr__") and len(given) >= 2:
            if isinstance(call.func, ast.Name) or len(given) > 2:
                self._put(given[0], given[-1])
            return
        if isinstance(call.func, ast.Attribute) and function.startswith(call_names.PUT):
            for value in given:
                self._put(call.func.value, value)
        elif any(self._comes(value) is not None for value in given):
            if isinstance(call.func, ast.Name) and call.func.id in self._parameters:
                self.calls_back = True
                self.returned.append(Kept("", False, ""))
            self._pass(call, given)
        other = self._returning.get(function)
        if other is not None and other.calls_back and self._runs(function):
            self.kept += [Kept("", False, root) for one in given if (root := self._root(one))]
        is_other = dotted(call.func) in self._others
        if is_other or call in self._sources:
            self.uses_others |= is_other
            puts = [one for one in given if isinstance(one, ast.Attribute)]
            roots = [self._root(one) for one in puts if one.attr.startswith(call_names.PUT)]
            self.kept += [Kept("", False, root) for root in roots if root]

    def _pass(self, call: ast.Call, given: list[ast.expr]) -> None:
        """A call gets something of an import."""
        names = [value for value in given if isinstance(value, (ast.Name, ast.Attribute))]
        roots = {self._root(value) or "" for value in names if self._comes(value) is None}
        by_place = [*enumerate(call.args), *((one.arg, one.value) for one in call.keywords)]
        sources = [(at, self._comes(one)) for at, one in by_place]
        found = tuple(Kept(*source, "") for _, source in sources if source is not None)
        known = not any(isinstance(one, ast.Starred) for one in call.args)
        places = tuple(at for at, source in sources if known and source is not None)
        self.passed.append(Passed(dotted(call.func), tuple(sorted(roots - {""})), found, places))

    def _fill(self, filled: ast.expr) -> None:
        """Something comes into an object that the function made: `parser.read(path)`."""
        while isinstance(filled, (ast.Attribute, ast.Subscript)):
            filled = filled.value
        if isinstance(filled, ast.Name) and filled.id in self._made:
            self._tainted.setdefault(filled.id, "")

    def _put(self, into: ast.expr, value: ast.expr) -> None:
        """`value` is put into the object `into`."""
        source = self._comes(value)
        root = self._root(into)
        if source is not None:
            if root is not None:
                self.kept.append(Kept(*source, root, self._is_module(value)))
            self._fill(into)

    def _store(
        self, target: ast.expr, value: ast.expr, outside: set[str], *, item: bool = False
    ) -> None:
        source, whole = self._comes(value), not item and self._is_module(value)
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
                    name = "" if item else source[0]
                    self.kept.append(Kept(name, source[1], target.id, whole))
            (self._whole if whole else self._mixed).add(target.id)
            if target.id not in outside:
                self._name(target.id, value)
        elif isinstance(target, (ast.Attribute, ast.Subscript)) and source is not None:
            root = self._root(target.value)
            if root is not None:
                self.kept.append(Kept("" if item else source[0], source[1], root, whole))
            self._fill(target.value)

    def _name(self, name: str, value: ast.expr) -> None:
        """A local name stands for a value from now on."""
        if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
            root = self._root(value)
            if root is not None:
                self._alias[name] = root
                return
        called = dotted(value) if isinstance(value, ast.Call) else None
        last = called.rpartition(".")[2] if called is not None else ""
        if called is None or last[:1].isupper() or last in call_names.MAKE:
            self._made.add(name)
        elif last in call_names.NAMESPACES:
            self._alias[name] = ""

    def _root(self, node: ast.expr) -> str | None:
        """Return the name that leads to an object; none if the function, or the import, made it."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(node, ast.Call):
            function = dotted(node.func).rpartition(".")[2]
            made = self._comes(node) is not None or function[:1].isupper()
            return "" if function in call_names.NAMESPACES or not made else None
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
        if isinstance(value, ast.Name) and value.id in self._tainted:
            return self._tainted[value.id], False
        if self._conditional:
            return "", False
        name = self._of_module(value)
        if name:
            return name, False
        if isinstance(value, ast.Call):
            function = value.func
            name = self._of_module(function) or self._tainted.get(dotted(function), "")
            if name:
                return name, True
        return ("", False) if self._has_source(value) else None

    def _has_source(self, value: ast.expr) -> bool:
        words = self._walks.words(value)
        by_word = not (words.isdisjoint(self._words) and self._tainted.keys().isdisjoint(words))
        # Expressions that are given, and syntax that calls a special method, have no word.
        maybe = by_word or bool(self._sources or self._special)
        return maybe and any(self._is_source(node) for node in self._walks.below(value))

    def _is_module(self, value: ast.expr) -> bool:
        """Tell whether a value is a module, independent of other imported values."""
        if self._conditional:
            return False
        if isinstance(value, ast.Call):
            given = [*value.args, *(keyword.value for keyword in value.keywords)]
            is_name = isinstance(value.func, (ast.Name, ast.Attribute))
            returns = is_name and dotted(value.func) in call_names.RETURN_MODULE
            return returns and all(self._comes(each) is None for each in given)
        return isinstance(value, ast.Name) and value.id in self._whole - self._mixed

    def _of_module(self, value: ast.expr) -> str:
        """Return the name that is taken of an imported module: ``rate`` for `config.rate`."""
        if not isinstance(value, ast.Attribute):
            return ""
        holder = value.value
        if isinstance(holder, ast.Call):
            known = dotted(holder.func).rpartition(".")[2] in call_names.MODULE_IMPORTERS
        else:
            known = dotted(holder) in self._modules
        return value.attr if known else ""

    def _is_source(self, node: ast.AST) -> bool:
        """Tell whether an expression is what an import gave, or a function that returns that."""
        if node in self._sources or (isinstance(node, ast.Name) and node.id in self._tainted):
            return True
        if isinstance(node, (ast.Name, ast.Attribute)) and dotted(node) in self._others:
            self.uses_others = True
            return True
        if isinstance(node, ast.Subscript) and dotted(node.value) == "sys.modules":
            return True
        function = ""
        if isinstance(node, (ast.Call, ast.Name, ast.Attribute)):
            # A call that gets the function itself may call it, and an attribute may be a property.
            whole = dotted(node)
            function = whole.rpartition(".")[2]
            imports = function in call_names.BRING or whole == "sys.modules.get"
            if isinstance(node, ast.Call) and imports:
                return True
        return self._runs(function) or self._runs_special(node)

    def _runs_special(self, node: ast.AST) -> bool:
        return any(list(map(self._runs, special_methods(node, self._special))))

    def _runs(self, function: str) -> bool:
        """Tell whether a function returns what it imports; its imports count here."""
        other = self._returning.get(function)
        if other is None or other is self:
            return False
        self.imports += [one for one in other.imports if one not in self.imports]
        self.calls += [one for one in other.calls if one not in self.calls]
        self.uses_others |= other.uses_others
        return True
