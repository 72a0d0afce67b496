"""Which functions of a source import, and what do they keep of it?

Read off the syntax tree, function by function (`import_flow.py`). What follows from it is
`kept_values.py`'s.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from transfuse.source.call_names import BRING, RUN_TEXT
from transfuse.source.import_flow import Scan
from transfuse.source.kept_places import Keeper
from transfuse.source.syntax import children, dotted
from transfuse.source.unseen_calls import holders, is_special, lambdas
from transfuse.source.walks import Function, Walks

if TYPE_CHECKING:
    from collections.abc import Iterator


def names_used(text: bytes) -> frozenset[str]:
    """Return the names that a source loads, each with the attributes taken: ``shop.use.load``."""
    names = (
        node for node in Walks().below(_parsed(text)) if isinstance(node, (ast.Name, ast.Attribute))
    )
    return frozenset(dotted(node) for node in names) - {""}


def keepers(
    text: bytes,
    others: frozenset[str] = frozenset(),
    unreached: frozenset[str] = frozenset(),
) -> tuple[Keeper, ...]:
    """Return the functions of a source that import.

    Args:
        text: the source.
        others: names of functions and properties of other modules that return what they
            import: ``shop.use.load``. Functions that use one count as if they imported.
        unreached: modules as import statements write them, none of which has ever run: `..shop`.
    """
    tree, walks = _parsed(text), Walks()
    functions = [
        (function, _imports(function, others, walks), walks.words(function))
        for function in [*_functions(tree), *lambdas(tree)]
    ]
    wrappers, held = _wrappers(tree), holders(tree)
    # The names of functions whose results come from an import: calling one is a source as well.
    returning: dict[str, Scan] = {}
    scans: list[Scan] = []
    # The function of each -> what it used of `returning`, and the scan.
    before: dict[Function, tuple[dict[str, Scan], Scan]] = {}
    for _ in range(4):
        scans = []
        for function, imports, words in functions:
            used = {
                name: returning[name] for name in returning if name in words or is_special(name)
            }
            if not imports and not used:
                continue
            known = before.get(function)
            if known is None or known[0] != used:
                scan = Scan(function, used, wrappers, others, walks, unreached=unreached)
                known = before[function] = (used, scan)
            scans.append(known[1])
        found = {scan.name: scan for scan in scans if scan.returned}
        for holder, names in held.items():
            inside = next((found[name] for name in sorted(names) if name in found), None)
            if inside is not None:
                found.setdefault(holder, inside)
        if found.keys() == returning.keys():
            break
        returning = found
    found_in = [scan.keeper() for scan in scans if scan.imports or scan.calls or scan.uses_others]
    for name in returning.keys() - {scan.name for scan in scans}:
        # `TABLE = {"rate": load}`: what other modules take of it is what `load` returns.
        found_in.append(returning[name].keeper()._replace(name=name))
    for name in others & wrappers.keys():
        # `get = functools.cache(load)`, where `load` is another module's.
        given = tuple(wrappers[name])
        found_in.append(Keeper(name, (), (), (), (), (), given, uses_others=True))
    return tuple(found_in)


def _parsed(text: bytes) -> ast.AST:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _imports(function: Function, others: frozenset[str], walks: Walks) -> bool:
    """Tell whether a function imports, by a statement, a call, or one of the functions `others`."""
    words = walks.words(function)
    by_name = others | BRING | RUN_TEXT | {"sys.modules"}
    return not words.isdisjoint(by_name) or walks.imports(function)


def _functions(tree: ast.AST) -> Iterator[Function]:
    """Yield the functions that are in no other function."""
    for node in children(tree):
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
        waiting += children(node)
        if isinstance(node, ast.Call):
            given = [(one, dotted(node)) for one in node.args]
            given += [(one.value, one.arg or "") for one in node.keywords]
            given += [(one.value, dotted(node)) for one in node.keywords]
            for value, name in given:
                if isinstance(value, (ast.Name, ast.Attribute)):
                    found.setdefault(dotted(value), []).append(name)
    return found
