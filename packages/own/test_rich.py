"""What rich does when it is used: its source distribution has no tests, so these stand for them.

Each module is imported, looked into by `inspect`, `typing` and `pickle`, and run as the program
that it also is (`python -m rich.table` shows a table). What it draws is compared with nothing here;
it has to draw the same twice, in one process, and not to raise.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pickle
import pkgutil
import runpy
import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest
import rich
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.pretty import pretty_repr
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

NAMES = sorted(
    each.name
    for each in pkgutil.walk_packages(rich.__path__, "rich.")
    # Only for Windows.
    if "win32" not in each.name and "windows" not in each.name
)
# The modules whose demonstration ends by itself, at once, with the same output each time.
PROGRAMS = (
    *("align", "box", "cells", "columns", "control", "emoji", "filesize", "highlighter", "json"),
    *("layout", "markup", "padding", "palette", "panel", "rule", "styled", "table", "text"),
    *("theme", "tree"),
)


def table() -> Table:
    made = Table("name", "value", title="A table")
    for number in range(5):
        made.add_row(f"row {number}", f"[green]{number**2}[/]")
    return made


def tree() -> Tree:
    made = Tree("root")
    made.add("branch").add(Panel("leaf"))
    return made


DRAWN: dict[str, Callable[[], Any]] = {
    "markdown": lambda: Markdown("# Title\n\n* one\n* `two`\n\n> said\n\n```python\nx = 1\n```\n"),
    "panel": lambda: Panel(Text.from_markup("[bold red]hello[/] world"), title="A panel"),
    "syntax": lambda: Syntax("def f(x):\n    return x + 1\n", "python", line_numbers=True),
    "table": table,
    "tree": tree,
}


def classes(module: ModuleType) -> list[Any]:
    found = [value for value in vars(module).values() if isinstance(value, type)]
    return [each for each in found if each.__module__ == module.__name__]


def functions(module: ModuleType) -> list[Any]:
    found = [value for value in vars(module).values() if inspect.isfunction(value)]
    return [each for each in found if each.__module__ == module.__name__]


@pytest.mark.parametrize("name", NAMES)
def test_is_what_sys_modules_has(name: str) -> None:
    module = importlib.import_module(name)
    assert sys.modules[name] is module
    parent, _, tail = name.rpartition(".")
    assert getattr(sys.modules[parent], tail) is not None
    assert module.__name__ == name


@pytest.mark.parametrize("name", NAMES)
def test_source_is_found(name: str) -> None:
    module = importlib.import_module(name)
    for each in functions(module):
        code = inspect.unwrap(each).__code__
        if code.co_filename == module.__file__:
            assert each.__name__ in inspect.getsource(each) or each.__name__ == "<lambda>"


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_pickled_by_name(name: str) -> None:
    for each in classes(importlib.import_module(name)):
        if "<locals>" not in each.__qualname__:
            with contextlib.suppress(pickle.PicklingError):
                assert pickle.loads(pickle.dumps(each)) is each


@pytest.mark.parametrize("name", NAMES)
def test_annotations_are_resolved(name: str) -> None:
    for each in classes(importlib.import_module(name)):
        # What is imported for type checkers alone cannot be had.
        with contextlib.suppress(NameError):
            assert isinstance(typing.get_type_hints(each), dict)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
def test_runs_as_a_program(name: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        runpy.run_module(f"rich.{name}", run_name="__main__")


@pytest.mark.parametrize("name", DRAWN)
def test_draws_the_same_twice(name: str) -> None:
    drawn = []
    for _ in range(2):
        console = Console(file=io.StringIO(), width=60, force_terminal=True, record=True)
        console.print(DRAWN[name]())
        drawn.append((console.export_text(styles=True, clear=False), console.export_svg()))
        del console
    assert drawn[0][0] == drawn[1][0] != ""


def test_traceback_shows_the_source() -> None:
    console = Console(file=io.StringIO(), width=100)
    try:
        Text.from_markup("[/nothing]")
    except Exception:
        console.print_exception(show_locals=True)
    assert "MarkupError" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "raise MarkupError(" in console.file.getvalue()  # type: ignore[attr-defined]


def test_pretty_printing_of_its_own_objects() -> None:
    assert pretty_repr(Text("x")) == "<text 'x' [] ''>"
    assert "Style" in pretty_repr(Text("x", style="bold").get_style_at_offset(Console(), 0))
