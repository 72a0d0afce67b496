"""Imports inside `python/transfuse` run one way: between its folders, and between its files.

Every import counts, in whichever spelling: at the top of a file, inside a function, under
`TYPE_CHECKING`. Dotted names in strings, as `-m` takes them, do not: they start another process.
"""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from layers import PACKAGE_LAYERS

PACKAGE = Path(__file__).parent.parent / "python/transfuse"
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imported_by(name: str) -> set[str]:
    """Return the files of the package that a file imports, such as ``{"source.compiler"}``."""
    path = FILES[name]
    package = path.relative_to(PACKAGE).parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = ("transfuse", *package)[: len(package) + 2 - node.level]
                module = ".".join([*above, module]).rstrip(".")
            names = [f"{module}.{each.name}" for each in node.names]
        found |= {file_of(each) for each in names if each.split(".")[0] == "transfuse"}
    return found - {name}


def file_of(dotted: str) -> str:
    """Return the file that a dotted name is in: the longest part of it that names one."""
    parts = dotted.split(".")[1:]
    while parts and ".".join(parts) not in FILES:
        if parts == ["_core"]:
            return "_core"
        parts.pop()
    return ".".join(parts) or "__init__"


def test_a_folder_imports_only_folders_below_it() -> None:
    wrong = [
        f"{name} imports {other}"
        for name in FILES
        for other in imported_by(name)
        if PACKAGE_LAYERS.index(other.split(".")[0]) > PACKAGE_LAYERS.index(name.split(".")[0])
    ]
    assert wrong == []


def test_every_folder_has_its_layer() -> None:
    there = {name.split(".")[0] for name in FILES} | {"_core"}
    assert there == set(PACKAGE_LAYERS)


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: imported_by(name) for name in FILES}).prepare()


def test_the_top_of_the_package_holds_few_files() -> None:
    files = {path.name for path in PACKAGE.glob("*.py*")}
    assert files == {"__init__.py", "__main__.py", "_core.pyi", "errors.py", "version.py"}
    assert sum(path.is_dir() and path.name != "__pycache__" for path in PACKAGE.iterdir()) <= 16
