"""What ARCHITECTURE.md says is absent, is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parent.parent
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
        "examples",
    )
    for path in (TOP / folder).rglob("*")
    if path.suffix in {".rs", ".py"} and "cases" not in path.parts
]


def test_the_engine_knows_neither_python_nor_http() -> None:
    manifest = (TOP / "crates/engine/Cargo.toml").read_text(encoding="utf-8")
    dependencies = re.findall(r"^([\w-]+)(?:\.workspace)? *=", manifest, re.MULTILINE)
    assert [] == [
        name for name in dependencies if re.match(r"pyo3|axum|hyper|tokio|async|http", name)
    ]


def test_the_engine_opens_files_by_its_one_door_only() -> None:
    doors = {"system.rs", "native.rs"}
    sources = (TOP / "crates/engine/src").glob("*.rs")
    assert [] == [
        path.name
        for path in sources
        if path.name not in doors and "std::fs::" in path.read_text(encoding="utf-8")
    ]


def test_no_python_object_is_shared_by_rust_owners() -> None:
    sources = (TOP / "crates/python/src").glob("*.rs")
    assert [] == [path.name for path in sources if "Arc<Py<" in path.read_text(encoding="utf-8")]


def test_the_package_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import transfuse;"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == ["transfuse"]


def test_a_file_holds_one_concept_and_fewer_than_400_lines() -> None:
    assert [] == [
        path.name for path in CODE if len(path.read_text(encoding="utf-8").splitlines()) > 400
    ]


def test_the_map_names_every_file_of_the_engine() -> None:
    page = (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8")
    names = [path.stem for path in (TOP / "crates/engine/src").glob("*.rs") if path.stem != "lib"]
    assert ["sync"] == [name for name in names if f"`{name}`" not in page]
