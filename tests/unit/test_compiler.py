"""A source becomes code: as it is, or without the bindings of names that were carried."""

from __future__ import annotations

import pickle
import sys
import textwrap
from typing import Any

import pytest

from transfuse.errors import PolicyError
from transfuse.source.compiler import compile_carrying, compile_source, special_variables

PATH = "/srv/shop/prices.py"


def run(source: str, **carried: Any) -> dict[str, Any]:
    """Run a source over carried values; what its namespace holds then."""
    code = compile_carrying(textwrap.dedent(source).encode(), PATH, frozenset(carried))
    namespace: dict[str, Any] = {"__name__": "shop.prices", **carried}
    exec(code, namespace)
    hidden = {"__name__", "__builtins__", "__annotations__", "__conditional_annotations__"}
    hidden.add("__annotate__")  # from Python 3.14 on
    return {name: value for name, value in namespace.items() if name not in hidden}


# Each: the source, and what the namespace holds if `x` was carried with the value "old".
BINDINGS = {
    "assignment": ("x = 1", {"x": "old"}),
    "right side is not evaluated": ("x = 1 / 0", {"x": "old"}),
    "others are bound": ("x = 1; y = 2", {"x": "old", "y": 2}),
    "chain, all carried": ("x = x = 1 / 0", {"x": "old"}),
    "chain, one carried": ("x = y = 1", {"x": "old", "y": 1}),
    "tuple, one carried": ("x, y = 1, 2", {"x": "old", "y": 2}),
    "tuple, star carried": ("y, *x = 1, 2, 3", {"x": "old", "y": 1}),
    "tuple, nested": ("[y, (x, z)] = 1, (2, 3)", {"x": "old", "y": 1, "z": 3}),
    "annotated": ("x: int = 1 / 0", {"x": "old"}),
    "annotated only": ("x: int", {"x": "old"}),
    "augmented": ("x += 'er'", {"x": "old"}),
    "function": ("@None.nothing\ndef x(): pass", {"x": "old"}),
    "class": ("class x(None.nothing): pass", {"x": "old"}),
    "import": ("import nothing_of_this_name as x", {"x": "old"}),
    "import, one of two": ("import sys as x, sys as y", {"x": "old", "y": sys}),
    "from": ("from sys import nothing as x", {"x": "old"}),
    "from, one of two": ("from sys import path as x, path as y", {"x": "old", "y": sys.path}),
    "for": ("for x in (1, 2): y = x", {"x": "old", "y": "old"}),
    "for, tuple": ("for x, y in [(1, 2)]: pass", {"x": "old", "y": 2}),
    "with": ("import io\nwith io.StringIO() as x: del io", {"x": "old"}),
    "walrus": ("y = (x := 1) + 1", {"x": "old", "y": 2}),
    "walrus in if": ("if (x := 1) == 1: y = 1", {"x": "old", "y": 1}),
    "walrus in comprehension": ("y = [x := z for z in (1, 2)]", {"x": "old", "y": [1, 2]}),
    "walrus in default": ("def f(a=(x := 1)): return a\ny = f()\ndel f", {"x": "old", "y": 1}),
    "walrus beside carried": ("x = (y := 1)", {"x": "old", "y": 1}),
    "del": ("del x", {"x": "old"}),
    "del, one of two": ("y = 1\ndel x, y", {"x": "old"}),
    "del, tuple": ("y = z = 1\ndel (x, y), z", {"x": "old"}),
    "if": ("if True:\n x = 1\nelse:\n x = 2", {"x": "old"}),
    "while": ("while True:\n x = 1\n break", {"x": "old"}),
    "try": ("try:\n x = 1\nexcept E:\n x = 2\nelse:\n x = 3\nfinally:\n x = 4", {"x": "old"}),
    "except as": (
        "try:\n 1 / 0\nexcept ZeroDivisionError as x:\n y = type(x)",
        {"x": "old", "y": ZeroDivisionError},
    ),
    "match, capture": ("match 1:\n case x: y = 1", {"x": "old", "y": 1}),
    "match, as": ("match 1:\n case 1 as x: y = 1", {"x": "old", "y": 1}),
    "match, star": ("match [1, 2]:\n case [y, *x]: pass", {"x": "old", "y": 1}),
    "match, rest": ("match {1: 2}:\n case {1: y, **x}: pass", {"x": "old", "y": 2}),
    "match, body": ("match 1:\n case 1: x = 1", {"x": "old"}),
    "attribute": ("import types\ny = types.SimpleNamespace()\ny.x = 1\ny = y.x\ndel types",
                  {"x": "old", "y": 1}),
    "a function's own": ("def f():\n x = 1\n return x\ny = f()\ndel f", {"x": "old", "y": 1}),
    "a class's own": ("class C:\n x = 1\ny = C.x\ndel C", {"x": "old", "y": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), BINDINGS.values(), ids=BINDINGS)
def test_p7_a_carried_name_is_not_bound(source: str, expected: dict[str, Any]) -> None:
    assert run(source, x="old") == expected


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* is new in Python 3.11")
def test_p7_except_star() -> None:
    source = "try:\n raise ExceptionGroup('', [OSError()])\nexcept* OSError as x:\n x = 1"
    assert run(source, x="old") == {"x": "old"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type statements are new in Python 3.12")
def test_p7_type_statement() -> None:
    assert run("type x = int", x="old") == {"x": "old"}


def test_what_is_read_after_a_binding_that_is_left_out_is_the_carried_value() -> None:
    assert run("x = {}\nx[1] = 2\ny = len(x)", x={0: 0}) == {"x": {0: 0, 1: 2}, "y": 2}


def test_line_numbers_stay() -> None:
    source = """\
    cache = {}

    if True:
        cache = {
            1: 2,
        }
    here = __import__("sys")._getframe().f_lineno
    def later():
        return 1 / 0
    line = later.__code__.co_firstlineno
    del later
    """
    assert run(source, cache="old") == {"cache": "old", "here": 7, "line": 8}


def test_a_string_after_a_carried_name_does_not_become_the_docstring() -> None:
    assert run('x = 1\n"""What x is."""', x="old") == {"x": "old"}


def test_the_docstring_and_the_future_stay() -> None:
    source = '"""Prices."""\nfrom __future__ import annotations\nx: nothing = 1\ny: nothing = 2'
    found = run(source, x="old", annotations="old")
    assert (found["__doc__"], found["x"], found["y"]) == ("Prices.", "old", 2)


def test_what_is_left_out_must_be_python_all_the_same() -> None:
    with pytest.raises(SyntaxError, match="'break' outside loop"):
        run("def x():\n  break", x="old")


def test_no_flag_of_the_compiling_module_is_inherited() -> None:
    namespace: dict[str, Any] = {}
    exec(compile_source(b"def f(a: 1 + 1): pass", PATH), namespace)
    assert namespace["f"].__annotations__ == {"a": 2}


def test_the_declared_encoding_is_used() -> None:
    namespace: dict[str, Any] = {}
    exec(compile_source("# coding: latin-1\nx = 'é'".encode("latin-1"), PATH), namespace)
    assert namespace["x"] == "é"


@pytest.mark.parametrize("source", [b"x = 1\ny = '\0'", b"x = '\xff'", b"x = (", b"\tx\n y"])
def test_p4_bad_bytes_are_a_syntax_error_that_names_the_file(source: bytes) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile_source(source, PATH)
    assert caught.value.filename == PATH


def test_a_nul_byte_is_found_in_its_line() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile_source(b"x = 1\ny = '\0'", PATH)
    assert (caught.value.lineno, caught.value.msg) == (2, "source code contains a NUL byte")


SPECIAL: dict[str, tuple[str, dict[str, Any] | None]] = {
    "neither": ("x = 1", None),
    "in a comment": ("# __reload__ = 'fresh'", None),
    "reload": ("__reload__ = 'fresh'", {"reload": "fresh", "preserve": None}),
    "annotated": ("__reload__: str = 'never'", {"reload": "never", "preserve": None}),
    "list": ("__preserve__ = ['a', 'b', 'a']", {"reload": None, "preserve": ["a", "b"]}),
    "tuple": ("__preserve__ = ('b', 'a')", {"reload": None, "preserve": ["b", "a"]}),
    "set": ("__preserve__ = {'b', 'a'}", {"reload": None, "preserve": ["a", "b"]}),
    "empty": ("__preserve__ = []", {"reload": None, "preserve": []}),
    "both": (
        "__reload__ = 'overlay'\n__preserve__ = ['a']",
        {"reload": "overlay", "preserve": ["a"]},
    ),
    "the last counts": (
        "__reload__ = 'fresh'\n__reload__ = 'overlay'",
        {"reload": "overlay", "preserve": None},
    ),
    "thread": ("__thread__ = 'main'", {"reload": None, "preserve": None, "thread": "main"}),
    "a function's own": ("def f(): __reload__ = 'x'", None),
}


@pytest.mark.parametrize(("source", "expected"), SPECIAL.values(), ids=SPECIAL)
def test_special_variables(source: str, expected: dict[str, Any] | None) -> None:
    complete = expected and {"thread": None, **expected}
    assert special_variables(source.encode(), PATH) == complete


@pytest.mark.parametrize(
    ("statement", "name", "value"),
    [
        ("__reload__ = 'overlai'", "__reload__", "'overlai'"),
        ("__reload__ = None", "__reload__", "None"),
        ("__reload__ = mode()", "__reload__", "mode()"),
        ("__preserve__ = 'cache'", "__preserve__", "'cache'"),
        ("__preserve__ = ['*']", "__preserve__", "['*']"),
        ("__preserve__ = ['a.b']", "__preserve__", "['a.b']"),
        ("__preserve__ = [1]", "__preserve__", "[1]"),
        ("__preserve__ = [[]]", "__preserve__", "[[]]"),
        ("__preserve__ = {'a': 1}", "__preserve__", "{'a': 1}"),
        ("__preserve__ = ['__doc__']", "__preserve__", "['__doc__']"),
        ("__preserve__ = NAMES", "__preserve__", "NAMES"),
        ("if x: __reload__ = 'fresh'", "__reload__", "(bound by a statement that is run)"),
        ("__preserve__ += ['a']", "__preserve__", "(bound by a statement that is run)"),
        ("__reload__, y = 'fresh', 1", "__reload__", "(bound by a statement that is run)"),
    ],
)
def test_p4_a_senseless_special_variable_is_refused(statement: str, name: str, value: str) -> None:
    with pytest.raises(PolicyError) as caught:
        special_variables(f"x = 1\n{statement}\n".encode(), PATH)
    error = caught.value
    assert (error.path, error.line, error.name, error.value) == (PATH, 2, name, value)
    assert str(error).startswith(f"{PATH}, line 2: {name} = {value} makes no sense; allowed: ")


def test_a_policy_error_crosses_processes() -> None:
    error = PolicyError(path=PATH, line=2, name="__reload__", value="1", allowed=["a", "b"])
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.line, copy.allowed) == (str(error), 2, "a, b")


def test_special_variables_of_bad_syntax() -> None:
    with pytest.raises(SyntaxError):
        special_variables(b"__reload__ = (", PATH)
