"""State that C code keeps to itself, or that only a cache holds, is state, too."""

from __future__ import annotations

import pytest

from conftest import LiveTree, ran

# The state in `reg.py`, how a plugin changes it, an expression that shows it.
KINDS = {
    "count": ("import itertools\nX = itertools.count()", "next(reg.X)", "repr(X)"),
    "large count": ("import itertools\nX = itertools.count(1 << 70)", "next(reg.X)", "repr(X)"),
    "cycle": (
        "import itertools\nX = itertools.cycle('abc')\nfor _ in range(4): next(X)",
        "next(reg.X)",
        "next(X)",
    ),
    "list iterator": ("X = iter([1, 2, 3])", "next(reg.X)", "X.__length_hint__()"),
    "range iterator": ("X = iter(range(9))", "next(reg.X)", "X.__length_hint__()"),
    "iterator of text": ("X = iter('abc')", "next(reg.X)", "X.__length_hint__()"),
    "iterator of a dict": ("X = iter({1: 1, 2: 2})", "next(reg.X)", "X.__length_hint__()"),
    "iterators in each other": ("X = enumerate(zip('ab', 'cd'))", "next(reg.X)", "next(X)"),
    "tee": ("import itertools\nX, Y = itertools.tee('abc')\nnext(Y)", "next(reg.X)", "next(X)"),
    "generator": ("X = (i for i in range(9))", "next(reg.X)", "next(X)"),
    "bytearray": ("X = bytearray(b'a')", "reg.X[0] = 98", "bytes(X)"),
    "long bytearray": ("X = bytearray(1 << 21)", "reg.X[-1] = 98", "X[-1]"),
    "array": ("import array\nX = array.array('i', [1])", "reg.X.append(1)", "X.tolist()"),
    "StringIO": ("import io\nX = io.StringIO()", "print('a', file=reg.X)", "X.getvalue()"),
    "BytesIO": ("import io\nX = io.BytesIO()", "reg.X.write(b'a')", "X.getvalue()"),
    "Random": ("import random\nX = random.Random(1)", "reg.X.random()", "X.random()"),
    "hash": ("import hashlib\nX = hashlib.sha256()", "reg.X.update(b'a')", "X.hexdigest()"),
    "hash of C": ("import hashlib\nX = hashlib.blake2b()", "reg.X.update(b'a')", "X.hexdigest()"),
    "hash of any length": (
        "import hashlib\nX = hashlib.shake_128()",
        "reg.X.update(b'a')",
        "X.hexdigest(4)",
    ),
    "hmac": ("import hmac\nX = hmac.new(b'k', b'', 'md5')", "reg.X.update(b'a')", "X.hexdigest()"),
    "crc and others below an object": (
        "import hashlib\nclass C: pass\nX = C()\nX.h = [hashlib.md5()]",
        "reg.X.h[0].update(b'a')",
        "X.h[0].hexdigest()",
    ),
    "memory": ("import mmap\nX = mmap.mmap(-1, 8)", "reg.X[3] = 7", "X[3]"),
    "number of ctypes": ("import ctypes\nX = ctypes.c_int(1)", "reg.X.value = 2", "X.value"),
    "structure of ctypes": (
        "import ctypes\nclass P(ctypes.Structure):\n    _fields_ = [('x', ctypes.c_int)]\nX = P(1)",
        "reg.X.x = 2",
        "X.x",
    ),
    "array of ctypes": ("import ctypes\nX = (ctypes.c_int * 4)()", "reg.X[2] = 2", "X[2]"),
    "text of ctypes": (
        "import ctypes\nX = ctypes.create_string_buffer(9)",
        "reg.X.value = b'a'",
        "X.value",
    ),
    "below an object": (
        "import itertools\nclass C:\n    def __init__(self): self.ids = [itertools.count()]\n"
        "    def take(self): return next(self.ids[0])\nX = C()",
        "reg.X.take()",
        "repr(X.ids)",
    ),
    "cached list": (
        "import functools\n@functools.lru_cache\ndef X(): return []",
        "reg.X().append(1)",
        "X()",
    ),
    "cached dict": (
        "import functools\n@functools.cache\ndef X(): return {}",
        "reg.X()['a'] = 1",
        "X()",
    ),
    "cached list, filled before": (
        "import functools\n@functools.lru_cache\ndef X(n): return []\nX(1)",
        "reg.X(1).append(1)",
        "X(1)",
    ),
    "cached object, filled before": (
        "import functools\nclass C: n = 0\n@functools.lru_cache\ndef X(): return C()\nX()",
        "reg.X().n += 1",
        "X().n",
    ),
    "cached by a method": (
        "import functools\nclass C:\n    @functools.cache\n    def of(self): return set()\nX = C()",
        "reg.X.of().add(1)",
        "X.of()",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_p4_p5_hidden_state(tree: LiveTree, kind: str) -> None:
    owner, use, seen = KINDS[kind]
    plug = f"import reg\n{use}\n"
    tree.write({"reg.py": f"{owner}\ndef look(): return {seen}\n", "plug.py": plug})
    tree.install(policy="fresh")
    tree.module("plug")
    served = tree.module("reg")
    assert tree.update({"plug.py": plug + "1/0\n"}).outcome == "refused"
    report = tree.published({"plug.py": plug + "# 2\n"})
    assert ran(report) == ["reg", "plug"]
    # As served, and as it would be in a fresh process: neither has been read so far.
    assert served.look() == tree.module("reg").look()


CALM = {
    "count": ("import itertools\nX = itertools.count()\ndef f(): return 1", "reg.f()"),
    "iterator": ("X = iter([1, 2])\ndef f(): return X.__length_hint__()", "reg.f()"),
    "cycle": ("import itertools\nX = itertools.cycle('ab')\ndef f(): return 1", "reg.f()"),
    "buffers": ("import io\nX = [bytearray(9), io.StringIO('a')]\nY = len(X)", "reg.X, reg.Y"),
    "random": ("import random\nX = random.Random(1)\ndef f(): return X.getstate()", "reg.f()"),
    "cache of numbers": ("import functools\n@functools.cache\ndef f(n): return n", "reg.f(1)"),
    "cache of tables that is filled": (
        "import functools\n@functools.cache\ndef f(): return {'a': [1]}",
        "VALUE: int = reg.f()['a'][0]",
    ),
    "cache of objects that is filled": (
        "import functools\nclass C: debug = False\n@functools.cache\ndef f(): return C()",
        "if reg.f().debug: print(1)",
    ),
}


@pytest.mark.parametrize("kind", CALM)
def test_p12_hidden_state_that_is_left_alone(tree: LiveTree, kind: str) -> None:
    owner, use = CALM[kind]
    plug = f"import reg\n{use}\n"
    tree.write({"reg.py": owner, "plug.py": plug})
    tree.install(policy="fresh")
    tree.module("plug")
    for number in (2, 3):
        assert ran(tree.published({"plug.py": f"{plug}# {number}\n"})) == ["plug"]
