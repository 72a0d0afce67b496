"""Which names may an updated module have under `overlay` that it has not in a fresh process?

What docs/policies.md says, and no more: data that the module had before, unless the old source
defines it and the new one does not. Defined means bound by a statement at module level, whether or
not it ran: a release that imports a name for type checkers only, where the one before imported it
always, goes on having it.
"""

from __future__ import annotations

import symtable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from replay.look import Seen


def carried(old: Path, new: Path, before: Seen, after: Seen, fresh: Seen) -> dict[str, set[str]]:
    """Return, by module, the names that the policy carried from one release to the next.

    Args:
        old, new: the folders of the two releases.
        before, after: what was seen in the updated process.
        fresh: what is seen in a fresh one of the new release.
    """
    own = {module.partition(".")[0] for module in after}
    found = {}
    for module, there in after.items():
        was, wanted = before[module], fresh[module]
        if module == "probe" or not all(isinstance(each, dict) for each in (was, there, wanted)):
            continue
        dropped = _defined(old, module) - _defined(new, module)
        names = {
            name
            for name in there.keys() - wanted.keys() - dropped
            if there[name] == was.get(name) and not _is_code(there[name], own)
        }
        if names:
            found[module] = names
    return found


def without(seen: Seen, names: dict[str, set[str]]) -> Seen:
    """Return what was seen, but for these names."""
    return {
        module: {key: each for key, each in there.items() if key not in names[module]}
        if module in names
        else there
        for module, there in seen.items()
    }


def _is_code(value: Any, own: set[str]) -> bool:
    """Whether it is a class or function of these packages; foreign ones are carried."""
    if not isinstance(value, dict) or "kind" in value:
        return False
    name: str = value["function"] if "function" in value else value["class"][0]
    return name.partition(".")[0] in own


def _defined(release: Path, module: str) -> set[str]:
    base = release.joinpath(*module.split("."))
    path = next(each for each in (base / "__init__.py", base.with_suffix(".py")) if each.is_file())
    table = symtable.symtable(path.read_text(encoding="utf-8"), str(path), "exec")
    return {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported()
    }
