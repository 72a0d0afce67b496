"""What ARCHITECTURE.md says is absent, is; the layers are those of `layers.py`.

The checks themselves are tested on samples in `tests/tooling/test_architecture_checks.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from layers import BINDING_LAYERS, ENGINE_LAYERS, STATED_CIRCLES
from support.code_map import code_map, differences, folders
from support.prose import dialect
from support.rust_crate import RustCrate, circles
from support.sizes import LONGEST_FILE, crowded, too_long
from support.source_rules import around_the_door, other_locks, shared_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.rust_source import RustSource

TOP = Path(__file__).parent.parent
BINDING, ENGINE, PACKAGE = "crates/python/src", "crates/engine/src", "python/transfuse"
PRODUCT = [
    path
    for folder in (BINDING, ENGINE, PACKAGE)
    for path in sorted((TOP / folder).rglob("*"))
    if path.suffix in {".rs", ".py"}
]
CODE = [
    path
    for folder in (
        "crates",
        "python",
        "demo",
        "tests",
        "bench",
        "packages",
        "replay",
        "mutants",
        "servers",
        "scripts",
        "examples",
    )
    for path in (TOP / folder).rglob("*")
    if path.suffix in {".rs", ".py"} and "cases" not in path.parts
]
CRATES = {folder: RustCrate.at(TOP / folder) for folder in (BINDING, ENGINE)}
LAYERS = {BINDING: BINDING_LAYERS, ENGINE: ENGINE_LAYERS}
FOLDERS = {BINDING: 12, ENGINE: 9, PACKAGE: 16}
# What may stand at the top of each: the map, and for a package what Python looks for there.
AT_TOP = {
    BINDING: {"lib.rs"},
    ENGINE: {"lib.rs"},
    PACKAGE: {"__init__.py", "__main__.py", "py.typed", "_core.pyi", "errors.py", "version.py"},
}
# The files that ask the operating system for files; every other one asks them.
DOORS = {
    f"{ENGINE}/fs/file_system.rs",
    f"{ENGINE}/fs/sync_marker.rs",
    f"{ENGINE}/watch/notify_backend.rs",
}
LOCKS = f"{ENGINE}/concurrency/sync.rs"


def _breaches(rule: Callable[[RustSource], list[str]], *, apart_from: set[str]) -> list[str]:
    """Where Rust files of the product go around a rule."""
    return [
        f"{folder}/{name}:{breach}"
        for folder, crate in CRATES.items()
        for name, source in crate.files.items()
        if f"{folder}/{name}" not in apart_from
        for breach in rule(source)
    ]


def test_the_engine_knows_neither_python_nor_http() -> None:
    manifest = (TOP / "crates/engine/Cargo.toml").read_text(encoding="utf-8")
    dependencies = re.findall(r"^([\w-]+)(?:\.workspace)? *=", manifest, re.MULTILINE)
    assert [] == [
        name for name in dependencies if re.match(r"pyo3|axum|hyper|tokio|async|http", name)
    ]


@pytest.mark.parametrize("folder", CRATES)
def test_a_folder_of_a_crate_uses_only_folders_before_it(folder: str) -> None:
    assert [] == CRATES[folder].against(LAYERS[folder])


@pytest.mark.parametrize("folder", CRATES)
def test_no_folders_of_a_crate_form_a_circle(folder: str) -> None:
    assert [] == circles(CRATES[folder].folder_edges())


def test_the_files_that_form_a_circle_are_stated() -> None:
    found = [each for crate in CRATES.values() for each in circles(crate.file_edges())]
    assert [] == [sorted(each) for each in found if each not in STATED_CIRCLES]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_top_folder_holds_few_folders_and_no_other_files(folder: str) -> None:
    assert [] == crowded(TOP / folder, FOLDERS[folder], AT_TOP[folder])


def test_the_system_is_asked_for_files_by_one_door() -> None:
    assert [] == [name for name in DOORS if not (TOP / name).is_file()]
    assert [] == _breaches(around_the_door, apart_from=DOORS)


def test_locks_are_of_one_kind_that_no_panic_poisons() -> None:
    assert (TOP / LOCKS).is_file()
    assert [] == _breaches(other_locks, apart_from={LOCKS})


def test_no_python_object_is_shared_by_rust_owners() -> None:
    assert [] == _breaches(shared_objects, apart_from=set())


def test_the_package_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import transfuse;"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    # Debian's Python 3.15 has a module of its own that says which package a missing one is in.
    assert set(told.stdout.split()) - {"_missing_stdlib_info"} == {"transfuse"}


def test_a_file_has_at_most_400_lines_and_a_function_60() -> None:
    """The tests of the crates are no product: their functions may be longer."""
    assert [] == [
        f"{path.relative_to(TOP)}: {breach}"
        for path in CODE
        if path.suffix == ".py" or path in PRODUCT
        for breach in too_long(path)
    ]
    assert [] == [path for path in CODE if len(path.read_text("utf-8").splitlines()) > LONGEST_FILE]


def test_comments_name_the_actor() -> None:
    assert [] == [
        f"{path.relative_to(TOP)}:{sentence}"
        for path in sorted({*PRODUCT, *(path for path in CODE if path.suffix == ".py")})
        for sentence in dialect(path.read_text(encoding="utf-8"), rust=path.suffix == ".rs")
    ]


def test_the_map_names_every_file_and_nothing_else() -> None:
    page = (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [] == differences(code_map(page), folders(TOP, BINDING, ENGINE, PACKAGE))
