"""The code map of a page: tables whose rows name a folder, and then the files in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# `| `crates/python/src/state` | `caller`, `command` | ... |`
_ROW = re.compile(r"^\| *`((?:crates|python)/[\w/.-]+?)/?` *\|([^|]*)\|", re.MULTILINE)
# What every folder has is not named.
_UNNAMED = {"mod", "lib", "__init__", "__main__"}


def code_map(page: str) -> dict[str, set[str]]:
    """Each folder of the page's tables, with the names in its second column, less their suffix."""
    found: dict[str, set[str]] = {}
    for folder, cell in _ROW.findall(page):
        names = {re.sub(r"\.(?:rs|pyi?)$", "", name) for name in re.findall(r"`([^`]+)`", cell)}
        found.setdefault(folder, set()).update(names - _UNNAMED)
    return found


def folders(top: Path, *sources: str) -> dict[str, set[str]]:
    """Each folder below `sources` that has source files, with their names."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for path in (top / source).rglob("*"):
            if path.suffix in {".rs", ".py"} and path.stem not in _UNNAMED:
                folder = path.parent.relative_to(top).as_posix()
                found.setdefault(folder, set()).add(path.stem)
    return found


def differences(stated: Mapping[str, set[str]], real: Mapping[str, set[str]]) -> list[str]:
    """What the map does not name, and what it names that is not there."""
    return [
        f"{folder}: {word} {name}"
        for folder in sorted(stated.keys() | real.keys())
        for word, names in (
            ("the map lacks", real.get(folder, set()) - stated.get(folder, set())),
            ("there is no", stated.get(folder, set()) - real.get(folder, set())),
        )
        for name in sorted(names)
    ]


def missing_paths(page: str, top: Path, names: Iterable[str]) -> list[str]:
    """The files and folders that a page names in backticks and that do not exist.

    A path is looked for below `top`; a lone `turn.rs` among `names`.
    """
    known, found = set(names), []
    for text in re.findall(r"`([^`\n]+)`", page):
        path, _, _ = text.partition("::")
        if re.fullmatch(r"(?:crates|python|tests|docs|scripts|mutants|replay)/[\w./-]*", path):
            if not (top / path).exists():
                found.append(path)
        elif re.fullmatch(r"\w+\.rs", path) and path not in known:
            found.append(path)
    return found
