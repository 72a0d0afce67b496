"""P10: between updates, Transfuse adds no Python code to what runs.

What that costs in time is measured by `bench/`, where it can be compared; here it is counted which
functions are entered.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.interpreter import python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType, ModuleType

    from conftest import LiveTree

FILES = {
    "shop/__init__.py": "",
    "shop/tax.py": "RATE = 19\n",
    "web.py": """
        def statements():
            import json
            import shop.tax
            import shop.tax as tax
            from shop import tax as other
            from shop.tax import RATE
            return RATE
        def body():
            yield b"first"
            yield b"second"
        def whole(environ, start_response):
            start_response("200 OK", [])
            return [b"all of it"]
        def steps(environ, start_response):
            start_response("200 OK", [])
            return body()
        """,
}


def entered(act: Callable[[], Any]) -> list[str]:
    """The names of the Python functions that were entered while something ran, in order."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            names.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    assert names.pop(0) == act.__name__
    return names


@pytest.mark.parametrize("pinned", [False, True])
def test_p10_import_statements_of_live_code_enter_nothing(tree: LiveTree, pinned: bool) -> None:
    tree.write(FILES)
    tree.install()
    web = tree.module("web")

    def act() -> None:
        web.statements()

    act()
    if pinned:
        with transfuse.pin():
            assert entered(act) == ["statements"]
    else:
        assert entered(act) == ["statements"]


def test_p10_import_statements_of_foreign_code_enter_nothing(
    tree: LiveTree, outside: ModuleType
) -> None:
    tree.write(FILES)
    tree.install()
    source = "def statements():\n    import json, shop.tax\n    from shop.tax import RATE\n"
    exec(source, vars(outside))

    def act() -> None:
        outside.statements()

    act()
    assert entered(act) == ["statements"]


@pytest.mark.parametrize(
    ("application", "expected"),
    [("whole", ["whole", "answered"]), ("steps", ["steps", "answered", "body", "body", "body"])],
)
def test_p10_a_request_enters_the_application_and_nothing_else(
    tree: LiveTree, application: str, expected: list[str]
) -> None:
    tree.write(FILES)
    tree.install()
    serve = transfuse.wsgi(f"web:{application}")
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}

    def answered(status: str, headers: list[tuple[str, str]]) -> None:
        del status, headers

    def act() -> None:
        pieces = serve(dict(environ), answered)  # type: ignore[arg-type]
        for _ in pieces:
            pass
        close = getattr(pieces, "close", None)
        if close is not None:
            close()

    act()
    assert entered(act) == expected


def test_p10_the_interpreter_has_nothing_to_look_for_after_an_update(tmp_path: Path) -> None:
    """What is raised in a thread from outside makes every call of every thread look for it.

    Up to Python 3.12 that ends only when it arrives, not when it is taken back: calls are slower by
    a third, and a profiler, which looks again until there is nothing, never ends.
    """
    (tmp_path / "tax.py").write_text("RATE = 1\n")
    (tmp_path / "web.py").write_text("import tax\n")
    told = python(
        tmp_path,
        """
        import os, sys, transfuse
        transfuse.install(roots=[os.getcwd()], watch=False, time_limit=0.5)
        import web
        for rate in range(3):
            with open("tax.py", "w") as file:
                file.write(f"RATE = {rate}\\n")
            transfuse.update().check()
        with open("tax.py", "w") as file:
            file.write("while True: pass\\n")
        print(type(transfuse.update().error).__name__)
        sys.setprofile(lambda *_: None)
        print((lambda: "called")())
        """,
    )
    assert told == ["TimeLimitExceeded", "called"]
