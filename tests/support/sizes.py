"""What is too big: files, functions, and the top of a folder."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from support.rust_source import RustSource

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_FILE, LONGEST_FUNCTION = 400, 60


def functions(text: str, *, rust: bool) -> list[tuple[str, int]]:
    """Each function of a source with its number of lines, its docstring included."""
    if rust:
        return RustSource(text).functions()
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def too_long(path: Path) -> list[str]:
    """Whether a file has too many lines, and which of its functions have."""
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    found = [f"{lines} lines"] if lines > LONGEST_FILE else []
    return found + [
        f"{name} has {count} lines"
        for name, count in functions(text, rust=path.suffix == ".rs")
        if count > LONGEST_FUNCTION
    ]


def crowded(folder: Path, most: int, files: set[str]) -> list[str]:
    """Whether a folder holds more than `most` folders, or files other than these."""
    inside = [path for path in folder.iterdir() if path.name != "__pycache__"]
    folders = sum(path.is_dir() for path in inside)
    found = [f"{folders} folders"] if folders > most else []
    built = {".so", ".pyd"}
    return found + sorted(
        path.name
        for path in inside
        if path.is_file() and path.name not in files and path.suffix not in built
    )
