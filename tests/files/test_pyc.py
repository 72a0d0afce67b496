"""Precompiled code counts by content alone, wherever it is and whichever tool wrote it."""

from __future__ import annotations

import importlib.util
import marshal
import os
import py_compile
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.interpreter import COUNTING, LIVE, python

if TYPE_CHECKING:
    from conftest import LiveTree

ASK = "import prices; print(prices.TEA)"
HEADER = 16


def pyc(source: Path, optimization: str = "") -> Path:
    return Path(importlib.util.cache_from_source(str(source), optimization=optimization))


def same_stat(source: Path, text: str) -> None:
    """Edit a file in place, within one moment of a coarse clock."""
    before = source.stat()
    source.write_text(text)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("poll", [None, 0.02])
def test_an_edit_of_the_same_size_in_the_same_second_is_seen(
    tree: LiveTree, poll: float | None
) -> None:
    tree.write({"prices.py": "TEA = 1\n"})
    tree.install(watch=True, poll=poll)
    assert tree.module("prices").TEA == 1
    # A poll reads a file again once its time stamp is older than the clock's resolution.
    for number in range(2, 5) if poll is None else [4]:
        seen = len(tree.reports)
        same_stat(tree.root / "prices.py", f"TEA = {number}\n")
        tree.wait(lambda report: report.outcome == "published", after=seen)
        assert tree.module("prices").TEA == number
    assert python(tree.root, LIVE, ASK) == ["4"]
    assert python(tree.root, "import sys; sys.path.insert(0, '')", ASK) == ["4"]


def foreign_magic(good: bytes) -> bytes:
    return b"\x00\x00\x0d\x0a" + good[4:]


def other_body(good: bytes) -> bytes:
    return good[:HEADER] + marshal.dumps({"no": "code"})


def noise(good: bytes) -> bytes:
    return good[:HEADER] + b"\xff" * 40


def header_only(good: bytes) -> bytes:
    return good[:HEADER]


def other_hash(good: bytes) -> bytes:
    forged = compile("TEA = 666", "prices.py", "exec")
    return good[:8] + b"12345678" + marshal.dumps(forged)


def timestamp(good: bytes) -> bytes:
    """What `python` itself wrote for a file of this size and time, of other content."""
    forged = compile("TEA = 666", "prices.py", "exec")
    return good[:4] + b"\0" * 12 + marshal.dumps(forged)


@pytest.mark.parametrize(
    "damage", [foreign_magic, other_body, noise, header_only, other_hash, timestamp]
)
def test_what_is_no_code_of_this_content_is_made_anew(tree: LiveTree, damage: object) -> None:
    assert callable(damage)
    tree.write({"prices.py": "TEA = 3\n"})
    source = tree.root / "prices.py"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    good = pyc(source).read_bytes()
    pyc(source).write_bytes(damage(good))
    assert python(tree.root, COUNTING, LIVE, ASK) == ["3", "compiled: prices.py"]
    assert python(tree.root, COUNTING, LIVE, ASK) == ["3", "compiled:"]
    assert good[:HEADER] == pyc(source).read_bytes()[:HEADER]


def test_constants_of_each_kind_are_kept(tree: LiveTree) -> None:
    # Since Python 3.14 the slice is one of the constants.
    tree.write(
        {"prices.py": "TEA = [3, 4][:][0]\nALL = (1, 2.0, 3j, b'x', 'x', None, ..., {1, 2})"}
    )
    tree.install()
    assert tree.module("prices").TEA == 3
    source = tree.root / "prices.py"
    code = marshal.loads(pyc(source).read_bytes()[HEADER:])
    assert code.co_consts == compile(source.read_text(), str(source), "exec").co_consts


def test_a_folder_that_cannot_be_written_costs_a_compile(tree: LiveTree) -> None:
    # A file in the folder's place stops even the superuser.
    tree.write({"prices.py": "TEA = 3\n", "__pycache__": ""})
    for _ in range(2):
        assert python(tree.root, COUNTING, LIVE, ASK) == ["3", "compiled: prices.py"]
    assert sorted(path.name for path in tree.root.iterdir()) == ["__pycache__", "prices.py"]


def test_precompiled_code_that_stands_elsewhere(tree: LiveTree) -> None:
    tree.write({"app/prices.py": "TEA = 3\n"})
    app, cache = tree.root / "app", tree.root / "cache"
    elsewhere = ("-X", f"pycache_prefix={cache}")
    for what in ("compiled: prices.py", "compiled:"):
        assert python(app, COUNTING, LIVE, ASK, flags=elsewhere) == ["3", what]
    assert not (app / "__pycache__").exists()
    assert len(list(cache.rglob("prices.*.pyc"))) == 1
    same_stat(app / "prices.py", "TEA = 4\n")
    assert python(app, COUNTING, LIVE, ASK, flags=elsewhere) == ["4", "compiled: prices.py"]


@pytest.mark.parametrize(("flag", "level"), [("-O", 1), ("-OO", 2)])
def test_optimized_code_is_kept_apart(tree: LiveTree, flag: str, level: int) -> None:
    tree.write({"prices.py": "TEA = 3\ntry:\n    assert False\nexcept AssertionError: TEA = 4\n"})
    for flags, told in ((), "4"), ((flag,), "3"), ((), "4"), ((flag,), "3"):
        assert python(tree.root, LIVE, ASK, flags=flags) == [told]
    source = tree.root / "prices.py"
    assert pyc(source).exists()
    assert pyc(source, str(level)).exists()
    assert python(tree.root, COUNTING, LIVE, ASK, flags=(flag,)) == ["3", "compiled:"]


def test_nothing_is_written_where_that_is_not_wanted(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    for _ in range(2):
        told = python(tree.root, COUNTING, LIVE, ASK, flags=("-B",))
        assert told == ["3", "compiled: prices.py"]
    assert not pyc(tree.root / "prices.py").exists()
    python(tree.root, LIVE, ASK)
    assert python(tree.root, COUNTING, LIVE, ASK, flags=("-B",)) == ["3", "compiled:"]


def test_code_that_was_compiled_elsewhere_names_the_file_that_it_is(tree: LiveTree) -> None:
    tree.write({"old/prices.py": "import sys\nTEA = sys._getframe().f_code.co_filename\n"})
    python(tree.root / "old", LIVE, ASK)
    (tree.root / "old").rename(tree.root / "new")
    told = python(tree.root / "new", COUNTING, LIVE, ASK)
    assert told == [str((tree.root / "new" / "prices.py").resolve()), "compiled:"]


def test_updates_do_not_leave_anything_beside(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 0\n"})
    tree.install()
    tree.module("prices")
    for number in range(1, 20):
        tree.published({"prices.py": f"TEA = {number}\n"})
    names = [path.name for path in (tree.root / "__pycache__").iterdir()]
    assert names == [f"prices.{sys.implementation.cache_tag}.pyc"]
