"""Whatever stands in a file that Transfuse reads, there is an answer: an error that is documented.

What is read: special variables, settings, `.env`, precompiled files, names of files. Whatever else
is served goes on.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import transfuse
from stress.scale import times
from support.interpreter import python
from transfuse.config.settings import Settings, read_settings
from transfuse.errors import RootError, SettingsError, TransfuseError
from transfuse.source import compiler

pytestmark = [pytest.mark.slow, pytest.mark.timeout(times(120, 1_800))]
FUZZ = settings(
    max_examples=times(100, 20_000),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# Text that is nearly right gets further than noise does.
_words = st.sampled_from(
    [
        *("__reload__", "__preserve__", "=", ":", "[", "]", "'overlay'", "'fresh'", "(", ")", ","),
        *('"', "'", "#", "\\", "\n", "\t", "  ", "\0", "\ufeff", "é", "...", "{", "}", "f''"),
        *("if 1", "x", "1e999", "0o9", "*", "lambda"),
    ]
)
_nearly = st.lists(_words, max_size=12).map("".join)
_bytes = st.one_of(st.binary(max_size=60), _nearly.map(lambda text: text.encode("utf-8")))


@FUZZ
@given(_bytes)
@example(b"# coding: nowhere\n__reload__ = 'fresh'")
@example(b"__reload__ = " + b"(" * 400)
@example(b"__preserve__ = ['a', *b]")
@example(b"\xef\xbb\xbf__reload__ = 'fresh'")
def test_special_variables(text: bytes) -> None:
    with contextlib.suppress(TransfuseError, SyntaxError):
        compiler.special_variables(text, "/srv/shop.py")


@FUZZ
@given(_bytes)
def test_dotenv(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, ".env").write_bytes(b"TRANSFUSE_KEEP=2\n" + text)
        with contextlib.suppress(SettingsError, RootError):
            read_settings(start=Path(folder), environ={})


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_keys = st.sampled_from(Settings._fields)


@FUZZ
@given(st.dictionaries(_keys, _values, max_size=3))
def test_settings(given_values: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(SettingsError, RootError):
        given_values.pop("origin", None)
        found = read_settings(start=Path(folder), environ={}, **given_values)
        assert found.time_limit > 0


@FUZZ
@given(_bytes)
def test_project_file(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_bytes(b"[tool.transfuse]\n" + text)
        with contextlib.suppress(SettingsError, RootError):
            read_settings(start=Path(folder), environ={})


# Headers and bodies of precompiled files: cut off, of another kind, and noise.
_DAMAGE = """
    import importlib.util, marshal, os, random, sys, transfuse
    from pathlib import Path
    random.seed(ROUND)
    root = Path(os.getcwd())
    source = root / "prices.py"
    source.write_text("TEA = 3\\n")
    cached = Path(importlib.util.cache_from_source(source))
    transfuse.install(roots=[root], watch=False)
    good = None
    for number in range(COUNT):
        source.write_text(f"TEA = {number}\\n")
        transfuse.update()
        assert transfuse.import_module("prices").TEA == number
        good = cached.read_bytes() if cached.exists() else good
        damage = bytearray(good)
        kind = number % 5
        if kind == 0:
            damage = damage[: random.randrange(len(damage))]
        elif kind == 1:
            damage[random.randrange(16)] ^= 1 << random.randrange(8)
        elif kind == 2:
            damage = bytearray(random.randbytes(random.randrange(200)))
        elif kind == 3:
            damage[16:] = marshal.dumps(random.choice([None, 1, "text", (1,), b"x", [1]]))
        else:
            damage += random.randbytes(20)
        cached.write_bytes(bytes(damage))
    print("whole")
"""


def test_precompiled_files(tmp_path: Path) -> None:
    for number in range(times(2, 40)):
        code = _DAMAGE.replace("ROUND", str(number)).replace("COUNT", "60")
        assert python(tmp_path, code) == ["whole"]


_file_names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)


@settings(FUZZ, max_examples=times(25, 2_000))
@given(st.lists(st.tuples(_file_names, st.sampled_from(["", ".py", ".pyc", "/__init__.py"]))))
def test_names_of_files(names: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        Path(root, "shop_fuzz.py").write_text("N = 1\n")
        transfuse.install(roots=[root], watch=False)
        try:
            assert transfuse.import_module("shop_fuzz").N == 1
            for name, end in names:
                path = root / (name + end)
                with contextlib.suppress(OSError):
                    path.parent.mkdir(exist_ok=True)
                    path.write_text("N = 1\n")
            Path(root, "shop_fuzz.py").write_text("N = 2\n")
            assert transfuse.update().outcome == "published"
            assert transfuse.import_module("shop_fuzz").N == 2
            transfuse.plan()
        finally:
            transfuse.uninstall()
            sys.modules.pop("shop_fuzz", None)
