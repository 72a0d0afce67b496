"""Where is the source of a dotted name, and which names are near it?

It runs no code, for early and clear messages about targets. The core imports modules, and decides
which are live.
"""

from __future__ import annotations

import os
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# Folders of installed packages: the core leaves these alone under any root (`live_paths.rs`).
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def find_spec(name: str, search: Sequence[str]) -> ModuleSpec | None:
    """Find the spec of the module `name` on the directories `search`.

    Args:
        name: a dotted name, such as ``"shop.web"``.
        search: directories, in the order of `sys.path`.

    Returns:
        The spec, or None: there is no such module. Parent packages are looked at, never imported.
    """
    spec: ModuleSpec | None = None
    places: Sequence[str] | None = search
    parts = name.split(".")
    for index in range(len(parts)):
        if not places:
            return None
        spec = PathFinder.find_spec(".".join(parts[: index + 1]), list(places))
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return spec


def under_no_root(name: str, origin: str, roots: Sequence[str]) -> str | None:
    """Return the root that a module would need for its edits to be seen; None if it has one.

    Args:
        name: its dotted name.
        origin: its absolute file.
        roots: absolute directories.

    Returns:
        The directory that would have to be a root; empty: it belongs to an installed package, and
        such are never live.
    """
    # Under a root as that is spelled, or where its links lead.
    for root, file in [(root, origin) for root in roots] + [
        (os.path.realpath(root), os.path.realpath(origin)) for root in roots
    ]:
        inside = os.path.relpath(file, root).split(os.sep)
        if inside[0] != os.pardir and not _INSTALLED.intersection(inside):
            return None
    if _INSTALLED.intersection(origin.split(os.sep)):
        return ""
    place = os.path.dirname(origin)
    is_package = os.path.basename(origin).startswith("__init__.")
    for _ in range(name.count(".") + is_package):
        place = os.path.dirname(place)
    return place


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that is nearest to `word`, or None if none is near."""
    # Here and not above: few processes have something to suggest.
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def nearest_module(name: str, search: Sequence[str]) -> str | None:
    """Return the dotted name nearest to the missing module `name`, or None.

    The first part of `name` that does not exist is compared with its siblings.
    """
    import pkgutil  # noqa: PLC0415 - as `difflib` in `nearest`

    parts = name.split(".")
    places: Sequence[str] = search
    for index, part in enumerate(parts):
        parent = ".".join(parts[:index])
        spec = find_spec(parent, search) if parent else None
        if parent:
            places = list((spec.submodule_search_locations if spec else None) or ())
        siblings = {module.name for module in pkgutil.iter_modules(list(places))}
        if part in siblings:
            continue
        near = nearest(part, siblings)
        return f"{parent}.{near}" if near and parent else near
    return None


def nearest_target(name: str, search: Sequence[str]) -> str | None:
    """Return the target that one with the missing module `name` was meant to be, or None.

    If the part before the last is a module and no package, the last part is an attribute.
    """
    module, _, attribute = name.rpartition(".")
    spec = find_spec(module, search) if module else None
    if spec is not None and spec.submodule_search_locations is None:
        return f"{module}:{attribute}"
    return nearest_module(name, search)
