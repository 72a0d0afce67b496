"""P11: sub-interpreters (`concurrent.interpreters`, from 3.14 on) import as in any other process.

Transfuse works in the main interpreter. The others share the process with it, and nothing else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.interpreter import LIVE, python

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="concurrent.interpreters is new in Python 3.14"
)

INSIDE = """
    from concurrent import interpreters
    inside = interpreters.create()
    inside.exec(f"import sys; sys.path.insert(0, {os.getcwd()!r})")
    def write(name, text):
        with open(name, "w") as file:
            file.write(text)
"""


def test_p11_it_imports_what_is_on_disk_and_the_main_one_updates(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("V = 1\n")
    lines = python(
        tmp_path,
        LIVE,
        INSIDE,
        """
        print(transfuse.import_module("web").V)
        inside.exec("import web; print(web.V, type(sys.modules['web']).__name__)")
        write("web.py", "V = 22\\n")
        print(transfuse.update().outcome, transfuse.import_module("web").V)
        inside.exec("import web; print(web.V)")
        inside.exec("import importlib; importlib.reload(web); print(web.V)")
        inside.close()
        write("web.py", "V = 333\\n")
        print(transfuse.update().outcome, transfuse.import_module("web").V)
        """,
        # Each interpreter has a buffer of its own.
        flags=("-u",),
    )
    assert lines == ["1", "1 module", "published 22", "1", "22", "published 333"]


def test_p11_importing_transfuse_there_says_why_it_cannot(tmp_path: Path) -> None:
    lines = python(
        tmp_path,
        LIVE,
        INSIDE,
        """
        try:
            inside.exec("import transfuse")
        except interpreters.ExecutionFailed as failed:
            print(failed.excinfo.type.__name__, failed.excinfo.msg)
        inside.close()
        """,
    )
    assert lines == [
        "ImportError module transfuse._core does not support loading in subinterpreters"
    ]


def test_p11_code_there_is_no_part_of_the_live_module_that_runs_it(tmp_path: Path) -> None:
    """The interpreter tells one audit hook of the events of all."""
    (tmp_path / "there.txt").write_text("1")
    (tmp_path / "here.txt").write_text("1")
    (tmp_path / "web.py").write_text(
        "from concurrent import interpreters\n"
        "inside = interpreters.create()\n"
        "inside.exec('''\n"
        "import os, sqlite3\n"
        "class Odd(str): pass\n"
        "for _ in range(100):\n"
        "    open(Odd('there.txt')).close()\n"
        "    sqlite3.connect(':memory:').close()\n"
        "    os.environ['THERE'] = str(os.listdir('.'))\n"
        "''')\n"
        "inside.close()\n"
        "V = open('here.txt').read()\n"
    )
    lines = python(
        tmp_path,
        LIVE,
        """
        print(transfuse.import_module("web").V)
        for name in ("there.txt", "here.txt"):
            with open(name, "w") as file:
                file.write("2")
            print(transfuse.update().outcome, transfuse.import_module("web").V)
        """,
    )
    assert lines == ["1", "unchanged 1", "published 2"]


def test_p11_work_that_is_handed_to_it(tmp_path: Path) -> None:
    """It finds a function by its name, as a new process does: with the files as they are."""
    (tmp_path / "jobs.py").write_text("def double(number): return number * 2\n")
    (tmp_path / "web.py").write_text(
        "import jobs\n"
        "from concurrent.futures import InterpreterPoolExecutor\n"
        "def ask():\n"
        "    with InterpreterPoolExecutor(2) as pool:\n"
        "        return list(pool.map(jobs.double, range(3)))\n"
    )
    lines = python(
        tmp_path,
        LIVE,
        INSIDE,
        """
        print(transfuse.import_module("web").ask())
        write("jobs.py", "def double(number): return number * 2 + 100\\n")
        print(transfuse.update().outcome, transfuse.import_module("web").ask())
        """,
    )
    assert lines == ["[0, 2, 4]", "published [100, 102, 104]"]
