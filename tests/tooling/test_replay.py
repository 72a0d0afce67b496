"""Would `make test-history` see that one file of a release had stayed as it was?

Its word "none is wrong" is worth what `replay.look` sees. Each pair here is the same source but for
one thing, as real releases differ, and those that ran the old one would be wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from replay.carried import carried
from replay.verdict import differences, way

TOP = Path(__file__).parents[2]
CAP = 60.0

PAIRS = {
    "a constant in a function": ("def f(): return 'a'", "def f(): return 'b'"),
    "a constant in a function in a function": (
        "def f():\n    def g(): return 1\n    return g",
        "def f():\n    def g(): return 2\n    return g",
    ),
    "a private function": ("def _f(): return 1", "def _f(): return len('')"),
    "a private value": ("_limit = 1", "_limit = 2"),
    "a default": ("def f(a=1): pass", "def f(a=2): pass"),
    "a value in a class": ("class C:\n    size = 1", "class C:\n    size = 2"),
    "a constructor": (
        "class C:\n    def __init__(self): self.a = 1",
        "class C:\n    def __init__(self): self.b = 1",
    ),
    "a setter": (
        "class C:\n    a = property(None, lambda self, to: None)",
        "class C:\n    a = property(None, lambda self, to: to)",
    ),
    "a nested class": (
        "class C:\n    class D:\n        def f(self): return 1",
        "class C:\n    class D:\n        def f(self): return 2",
    ),
    "a special method of an enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1",
        "import enum\nclass E(enum.Enum):\n    A = 1\n    def __copy__(self): return self",
    ),
    "a cached function": (
        "import functools\n@functools.lru_cache\ndef f(): return 1",
        "import functools\n@functools.lru_cache\ndef f(): return 2",
    ),
    "a wrapped function": (
        "import contextlib\n@contextlib.contextmanager\ndef f(): yield 1",
        "import contextlib\n@contextlib.contextmanager\ndef f(): yield 2",
    ),
    "a pattern": ("import re\n_p = re.compile('a')", "import re\n_p = re.compile('b')"),
}


def look(root: Path, source: str) -> dict[str, Any]:
    """What is seen of a module with this source in a fresh process."""
    root.mkdir()
    (root / "shop.py").write_text(source + "\n")
    (root / "probe.py").write_text("def result(): return None\n")
    done = subprocess.run(
        [sys.executable, "-m", "replay.look"],
        cwd=TOP,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        input=json.dumps({"root": str(root), "modules": ["shop"], "probe": "probe"}),
        capture_output=True,
        text=True,
        timeout=CAP,
        check=True,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize(("old", "new"), PAIRS.values(), ids=PAIRS)
def test_what_stayed_old_is_seen(tmp_path: Path, old: str, new: str) -> None:
    fresh = look(tmp_path / "new", new)
    assert differences(fresh, look(tmp_path / "old", old)) != []
    assert differences(fresh, look(tmp_path / "again", new)) == []


def test_only_data_that_both_releases_bind_counts_as_carried(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    before = look(old, "import os\nkept = 1\ngone = 2\ndef code(): pass")
    fresh = look(new, "import os\nif not os:\n    kept = 1\n    code = None")
    # Of these `gone` is not in the new source, and `code` is no data.
    assert carried(old, new, before, before, fresh) == {"shop": {"kept"}}


@pytest.mark.parametrize(
    ("outcome", "ran", "restart", "expected"),
    [
        ("published", [("shop", "changed")], [], "live"),
        ("published", [("shop", "added because the update failed without it")], [], "widened"),
        ("published", [("shop", "changed")], [("never", "shop", "restart")], "restart"),
        ("refused", [], [], "refused"),
        ("unchanged", [], [], "unchanged"),
    ],
)
def test_how_a_step_went(
    outcome: str, ran: list[tuple[str, str]], restart: list[tuple[str, str, str]], expected: str
) -> None:
    assert way({"outcome": outcome, "ran": ran, "restart": restart}) == expected
