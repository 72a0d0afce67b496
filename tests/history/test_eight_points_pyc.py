"""Point 2 of the eight of October 2004 (DESIGN section 1): precompiled code, where it is valid."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.interpreter import COUNTING, LIVE, python

if TYPE_CHECKING:
    from conftest import LiveTree

THREE = {
    "shop/__init__.py": "",
    "shop/web.py": "from shop import prices\nprint(prices.TEA)\n",
    "shop/prices.py": "TEA = 3\n",
}
COMPILED = "compiled: shop/__init__.py shop/prices.py shop/web.py"
IMPORT = """
    import sys
    sys.path.insert(0, "")
    import shop.web
    """


def pyc(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def flags(source: Path) -> int:
    return int.from_bytes(pyc(source).read_bytes()[4:8], "little")


def keep_time(source: Path, text: str) -> None:
    """Change a file's content and neither its size nor its time."""
    before = source.stat()
    source.write_text(text)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = source.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def test_point_2_a_second_start_compiles_nothing(tree: LiveTree) -> None:
    tree.write(THREE)
    assert python(tree.root, COUNTING, LIVE, IMPORT) == ["3", COMPILED]
    assert python(tree.root, COUNTING, LIVE, IMPORT) == ["3", "compiled:"]


def test_point_2_plain_python_accepts_what_was_written(tree: LiveTree) -> None:
    tree.write(THREE)
    python(tree.root, LIVE, IMPORT)
    before = {source: pyc(tree.root / source).read_bytes() for source in THREE}
    assert dict.fromkeys(THREE, 3) == {s: flags(tree.root / s) for s in THREE}
    assert python(tree.root, COUNTING, IMPORT) == ["3", "compiled:"]
    assert before == {source: pyc(tree.root / source).read_bytes() for source in THREE}


def test_point_2_what_compileall_wrote_is_accepted(tree: LiveTree) -> None:
    tree.write(THREE)
    how = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run([sys.executable, *how], cwd=tree.root, check=True)
    assert python(tree.root, COUNTING, LIVE, IMPORT) == ["3", "compiled:"]


def test_point_2_an_edit_of_the_same_size_and_time_is_not_missed(tree: LiveTree) -> None:
    tree.write(THREE)
    python(tree.root, LIVE, IMPORT)
    keep_time(tree.root / "shop" / "prices.py", "TEA = 4\n")
    assert python(tree.root, COUNTING, LIVE, IMPORT) == ["4", "compiled: shop/prices.py"]
    assert python(tree.root, COUNTING, IMPORT) == ["4", "compiled:"]


@pytest.mark.parametrize("mode", ["TIMESTAMP", "UNCHECKED_HASH", "CHECKED_HASH"])
def test_point_2_a_stale_precompiled_file_is_never_run(tree: LiveTree, mode: str) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    source = tree.root / "prices.py"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode[mode])
    keep_time(source, "TEA = 4\n")
    tree.install()
    assert tree.module("prices").TEA == 4


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_point_2_a_damaged_precompiled_file_counts_as_absent(
    tree: LiveTree, damage: bytes | None
) -> None:
    tree.write(THREE)
    python(tree.root, LIVE, IMPORT)
    broken = pyc(tree.root / "shop" / "prices.py")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-4] if damage is None else damage)
    assert python(tree.root, COUNTING, LIVE, IMPORT) == ["3", "compiled: shop/prices.py"]
    assert whole == broken.read_bytes()


def test_point_2_an_update_leaves_it_valid_for_the_next_start(tree: LiveTree, policy: str) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy)
    tree.module("prices")
    tree.published({"prices.py": "TEA = 4\n"})
    ask = "import sys; sys.path.insert(0, '')\nimport prices; print(prices.TEA)"
    assert python(tree.root, COUNTING, ask) == ["4", "compiled:"]
