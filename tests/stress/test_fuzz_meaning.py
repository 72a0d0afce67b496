"""What random input means, where it means something: compared with other readers of the same.

That nothing crashes is in `test_fuzz.py`. Here: special variables against `ast.literal_eval`,
precompiled files against the source, names of files against a fresh process, patterns and
`.gitignore` by what is live.
"""

from __future__ import annotations

import ast
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import transfuse
from stress.scale import times
from stress.test_fuzz import FUZZ
from support.interpreter import python
from transfuse.errors import PolicyError, SettingsError, TransfuseError
from transfuse.source import compiler

pytestmark = [pytest.mark.slow, pytest.mark.timeout(times(120, 1_800))]

_literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["overlay", "fresh", "patch", "never", "cache", "a b", "__x__", "é"])
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(st.sampled_from(["cache", "lock", "1x"]), min_size=1)
    ),
    max_leaves=4,
)


def _allowed(name: str, value: object) -> bool:
    if name == "__reload__":
        return isinstance(value, str) and value in compiler.RELOAD_WORDS
    return isinstance(value, (list, tuple, set)) and all(
        isinstance(each, str) and each.isidentifier() and each[:2] + each[-2:] != "____"
        for each in value
    )


@FUZZ
@given(st.sampled_from(["__reload__", "__preserve__"]), _literals, st.booleans())
@example("__preserve__", {"lock", "cache"}, True)
def test_special_variables_are_the_literals_they_are(
    name: str, value: object, annotated: bool
) -> None:
    text = f"N = 1\n{name}{': object' if annotated else ''} = {value!r}\n"
    meant = ast.literal_eval(ast.parse(text).body[1].value)  # type: ignore[attr-defined]
    if not _allowed(name, meant):
        with pytest.raises(PolicyError):
            compiler.special_variables(text.encode(), "/srv/shop.py")
        return
    found = compiler.special_variables(text.encode(), "/srv/shop.py")
    assert found is not None
    if name == "__reload__":
        assert found == {"reload": meant, "preserve": None, "thread": None}
    else:
        ordered = sorted(meant) if isinstance(meant, set) else list(dict.fromkeys(meant))
        assert found == {"reload": None, "preserve": ordered, "thread": None}


# The digest is that of the source; what else the header says is not what is written.
_HEADERS = """
    import importlib.util, marshal, os, random, transfuse
    from pathlib import Path
    random.seed(ROUND)
    root = Path(os.getcwd())
    source, other = root / "prices.py", root / "other.py"
    source.write_text("TEA = 0\\n"); other.write_text("TEA = 'other'\\n")
    transfuse.install(roots=[root], watch=False)
    transfuse.import_module("prices"); transfuse.import_module("other")
    cached = Path(importlib.util.cache_from_source(str(source)))
    foreign = Path(importlib.util.cache_from_source(str(other)))
    for number in range(1, COUNT):
        text = f"TEA = {number}\\n"
        source.write_text(text)
        digest = importlib.util.source_hash(text.encode())
        good = marshal.dumps(compile(f"TEA = {number}\\n", str(source), "exec"))
        kind = number % 4
        if kind == 0:     # by time, or with unknown flags: the digest is not read as one
            flags = random.choice([0, 2, 1 << random.randrange(2, 32)])
            old = marshal.dumps(compile("TEA = 'stale'\\n", str(source), "exec"))
            header, body = flags.to_bytes(4, "little") + digest, old
        elif kind == 1:   # the file of another module, whole
            data = foreign.read_bytes()
            header, body = data[4:16], data[16:]
        elif kind == 2:   # another version of Python's
            header, body = b"\\3\\0\\0\\0" + digest, good
        else:             # unchecked, and right: taken, as Python takes it
            header, body = b"\\1\\0\\0\\0" + digest, good
        magic = importlib.util.MAGIC_NUMBER if kind != 2 else b"\\0\\1\\r\\n"
        cached.write_bytes(magic + header + body)
        transfuse.update()
        found = transfuse.import_module("prices")
        assert found.TEA == number, (kind, number, found.TEA)
        assert cached.read_bytes()[4] & 1
    print("by content")
"""


def test_headers_of_precompiled_files(tmp_path: Path) -> None:
    for number in range(times(2, 40)):
        code = _HEADERS.replace("ROUND", str(number)).replace("COUNT", "60")
        assert python(tmp_path, code) == ["by content"]


# Imports each name in a process of its own kind, without Transfuse.
_FRESH = """
import importlib, json, sys
sys.dont_write_bytecode = True
for line in sys.stdin:
    root, names = json.loads(line)
    sys.path.insert(0, root)
    importlib.invalidate_caches()
    told = {}
    for name in names:
        before = set(sys.modules)
        try:
            told[name] = importlib.import_module(name).WHERE
        except Exception as error:
            told[name] = type(error).__name__
        for new in set(sys.modules) - before:
            del sys.modules[new]
    sys.path.remove(root)
    print(json.dumps(told), flush=True)
"""
_parts = st.sampled_from(
    [
        "shopf",
        "_x",
        "é",
        "1a",
        "a-b",
        "a b",
        "class",
        "Ω",
        "\ufb01",
        "__init__",
        "x.y",
        "\U0001d518",
        "-",
        "~",
    ]
)
_paths = st.tuples(_parts, st.sampled_from([".py", "/__init__.py", "/inner.py", ".PY", ".py~", ""]))


@pytest.fixture(scope="module")
def fresh() -> Any:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _FRESH]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@settings(FUZZ, max_examples=times(25, 2_000))
@given(st.lists(_paths, min_size=1, max_size=5, unique=True))
def test_names_are_imported_as_in_a_fresh_process(fresh: Any, paths: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        names = set()
        for stem, end in paths:
            path = root / (stem + end)
            with contextlib.suppress(OSError):
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"WHERE = {str(path.relative_to(root))!r}\n")
            names |= {stem, f"{stem}.inner", stem + ".py"}
        fresh.stdin.write(json.dumps([str(root), sorted(names)]) + "\n")
        fresh.stdin.flush()
        expected = json.loads(fresh.stdout.readline())
        before = set(sys.modules)
        transfuse.install(roots=[root], watch=False)
        try:
            found = {}
            for name in sorted(names):
                try:
                    # By name alone: with `.py` at its end it would be a file.
                    found[name] = __import__("importlib").import_module(name).WHERE
                except Exception as error:
                    found[name] = type(error).__name__
            assert found == expected
        finally:
            transfuse.uninstall()
            for name in set(sys.modules) - before:
                del sys.modules[name]


_patterns = st.lists(
    st.sampled_from(["*", "**", "?", "[", "]", "!", "{", "}", ",", "a", "shop", "/", ".py", "\\"]),
    max_size=6,
).map("".join)


@settings(FUZZ, max_examples=times(40, 5_000))
@given(st.sampled_from(["include", "exclude"]), st.lists(_patterns, max_size=3))
def test_patterns_hold_or_are_refused(key: str, patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        Path(root, "shop_fuzz.py").write_text("N = 1\n")
        try:
            transfuse.install(roots=[root], watch=False, **{key: patterns})  # type: ignore[arg-type]
        except (SettingsError, TransfuseError):
            assert not transfuse._core.installed()
            return
        try:
            live = _live(root)
            if not patterns:
                assert live
        finally:
            transfuse.uninstall()
            sys.modules.pop("shop_fuzz", None)


@settings(FUZZ, max_examples=times(40, 5_000))
@given(st.one_of(st.binary(max_size=40), _patterns.map(str.encode)))
@example(b"shop_fuzz.py\n")
@example(b"\xff\xfe*\n")
def test_gitignore_of_any_bytes(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        Path(root, "shop_fuzz.py").write_text("N = 1\n")
        Path(root, ".git").mkdir()
        Path(root, ".gitignore").write_bytes(text)
        transfuse.install(roots=[root], watch=False)
        try:
            live = _live(root)
            if text == b"shop_fuzz.py\n":
                assert not live
        finally:
            transfuse.uninstall()
            sys.modules.pop("shop_fuzz", None)


def _live(root: Path) -> bool:
    """Whether `shop_fuzz` is live; either way it is imported, and updated if it is."""
    assert transfuse.import_module("shop_fuzz").N == 1
    Path(root, "shop_fuzz.py").write_text("N = 2\n")
    outcome = transfuse.update().outcome
    assert transfuse.import_module("shop_fuzz").N == (2 if outcome == "published" else 1)
    return outcome == "published"
