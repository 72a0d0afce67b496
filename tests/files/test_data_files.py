"""A data file that a module reads while it is imported is a dependency, like a module."""

from __future__ import annotations

import linecache
import textwrap
from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran

READERS = {
    "open": "VALUE = read(open(PATH))",
    "open-binary": "VALUE = read(open(str(PATH), 'rb')).decode()",
    "open-bytes": "VALUE = read(open(os.fsencode(PATH)))",
    "open-relative": "os.chdir(HERE); VALUE = read(open('./rates.txt'))",
    "open-upwards": "VALUE = read(open(HERE / '..' / 'pack' / 'rates.txt'))",
    "io-open": "import io; VALUE = read(io.open(PATH))",
    "io-fileio": "import io; VALUE = read(io.FileIO(PATH)).decode()",
    "codecs": "import codecs; VALUE = read(codecs.getreader('utf-8')(open(PATH, 'rb')))",
    "os-open": """
        number = os.open(PATH, os.O_RDONLY)
        VALUE = os.read(number, 100).decode()
        os.close(number)
        """,
    "pathlib": "VALUE = PATH.read_text()",
    "resources": """
        import importlib.resources
        VALUE = (importlib.resources.files("pack") / "rates.txt").read_text()
        """,
    "pkgutil": "import pkgutil; VALUE = pkgutil.get_data('pack', 'rates.txt').decode()",
    "configparser": """
        import configparser
        made = configparser.ConfigParser()
        made.read(PATH)
        VALUE = "[tea]" + "\\n" + "price = " + made["tea"]["price"]
        """,
    "fileinput": """
        import fileinput
        with fileinput.input(PATH) as lines:
            VALUE = "".join(lines)
        """,
    "in-foreign-code": "import linecache; VALUE = ''.join(linecache.getlines(str(PATH))).strip()",
    "in-live-code": "import pack.reading; VALUE = pack.reading.get(PATH)",
}
HEAD = """\
import os
from pathlib import Path

HERE = Path(__file__).parent
PATH = HERE / "rates.txt"

def read(file):
    with file:
        return file.read()

"""


def ini(price: int) -> str:
    return f"[tea]\nprice = {price}"


@pytest.mark.parametrize("how", READERS)
def test_whichever_way_it_is_read(
    tree: LiveTree, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.root)
    pack = {"pack/__init__.py": "", "pack/reading.py": "def get(path): return path.read_text()\n"}
    tree.write({**pack, "pack/prices.py": HEAD, "pack/rates.txt": ini(3)})
    with (tree.root / "pack" / "prices.py").open("a") as file:
        file.write(textwrap.dedent(READERS[how]))
    tree.write({"web.py": "import pack.prices\n", "other.py": ""})
    tree.install()
    tree.module("other")
    assert tree.module("web").pack.prices.VALUE == ini(3)
    if how == "in-foreign-code":
        linecache.clearcache()
    report = tree.published({"pack/rates.txt": ini(4)})
    assert ran(report) == ["pack.prices", "web"]
    assert "reads" in report.ran[0].reason
    assert tree.module("pack.prices").VALUE == ini(4)


@pytest.mark.parametrize(
    "text",
    [
        "import json; VALUE = json.loads(PATH.read_text())['tea']",
        "import tomllib; VALUE = tomllib.loads(PATH.read_text())['tea']",
    ],
)
def test_a_file_that_makes_no_sense_refuses_the_update(tree: LiveTree, text: str) -> None:
    pytest.importorskip("tomllib")
    before, after = ('{"tea": 3}', '{"tea": 4}') if "json" in text else ("tea = 3", "tea = 4")
    tree.write({"prices.py": HEAD + text + "\n", "rates.txt": before})
    tree.install()
    assert tree.module("prices").VALUE == 3
    assert not tree.update({"rates.txt": "= {"}).ok
    assert tree.module("prices").VALUE == 3
    tree.published({"rates.txt": after})
    assert tree.module("prices").VALUE == 4


LOCAL = (
    HEAD
    + """
try:
    VALUE = (HERE / "conf" / "local.txt").read_text()
except OSError:
    VALUE = "default"
"""
)


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("watch", [True, False])
def test_a_file_that_was_looked_for_in_vain(tree: LiveTree, folder: bool, watch: bool) -> None:
    tree.write({"settings.py": LOCAL})
    if folder:
        (tree.root / "conf").mkdir()
    tree.install(watch=watch)
    for number in range(2):
        assert tree.module("settings").VALUE == "default"
        for what in ("created", "changed", "deleted"):
            seen = len(tree.reports)
            if what == "deleted":
                tree.delete("conf/local.txt")
            else:
                tree.write({"conf/local.txt": f"{what} {number}"})
            if not watch:
                transfuse.update()
            report = tree.wait(lambda report: ran(report) == ["settings"], after=seen)
            assert [change.kind for change in report.changed] == [what]
            expected = "default" if what == "deleted" else f"{what} {number}"
            assert tree.module("settings").VALUE == expected


def test_what_was_looked_for_in_vain_is_no_package(tree: LiveTree) -> None:
    tree.write({"settings.py": LOCAL})
    tree.install()
    tree.module("settings")
    with pytest.raises(ModuleNotFoundError):
        tree.module("conf")
    assert tree.update().outcome == "unchanged"


def test_a_file_that_is_deleted_and_missed(tree: LiveTree) -> None:
    tree.write({"prices.py": HEAD + "VALUE = PATH.read_text()\n", "rates.txt": "3"})
    tree.install()
    assert tree.module("prices").VALUE == "3"
    tree.delete("rates.txt")
    report = transfuse.update()
    assert isinstance(report.error, FileNotFoundError)
    assert tree.module("prices").VALUE == "3"
    tree.published({"rates.txt": "4"})
    assert tree.module("prices").VALUE == "4"


@pytest.mark.parametrize(
    "write",
    [
        "PATH.write_text(str(NOW))",
        "with open(PATH, 'w') as file: file.write(str(NOW))",
        "with open(PATH, 'x' if not PATH.exists() else 'a') as file: file.write(str(NOW))",
        "NUMBER = os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\n"
        "os.write(NUMBER, str(NOW).encode()); os.close(NUMBER)",
        "TMP = PATH.with_name('tmp'); TMP.write_text(str(NOW)); os.replace(TMP, PATH)",
    ],
)
@pytest.mark.parametrize("read", ["before", "after", "never"])
def test_what_a_module_writes_itself_is_none(
    tree: LiveTree, outside: Any, write: str, read: str
) -> None:
    reading = "VALUE = PATH.read_text() if PATH.exists() else ''\n"
    lines = [
        HEAD + "import outside, time\noutside.ran.append(1)\n",
        "NOW = time.monotonic_ns()\n",
        reading if read == "before" else "",
        write + "\n",
        reading if read == "after" else "",
    ]
    tree.write({"cached.py": "".join(lines), "other.py": ""})
    tree.install(watch=True)
    tree.module("cached")
    tree.module("other")
    tree.write({"cached.py": "".join(lines) + "# edited\n"})
    tree.wait(lambda report: ran(report) == ["cached"])
    tree.write({"other.py": "A = 1\n"})
    tree.wait(lambda report: ran(report) == ["other"])
    assert transfuse.update().outcome == "unchanged"
    assert len(outside.ran) == 2


def test_what_a_function_reads_later_is_none(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": HEAD + "def now(): return PATH.read_text()\n",
            "rates.txt": "3",
        }
    )
    tree.install()
    assert tree.module("prices").now() == "3"
    assert tree.update({"rates.txt": "4"}).outcome == "unchanged"
    assert tree.module("prices").now() == "4"


def test_source_that_is_executed_as_data(tree: LiveTree) -> None:
    """What `app.config.from_pyfile("conf.py")` of Flask does."""
    app = HEAD + "VALUE = {}\nexec((HERE / 'conf.py').read_bytes(), VALUE)\n"
    tree.write({"app.py": app, "conf.py": "TEA = 3\n"})
    tree.install()
    assert tree.module("app").VALUE["TEA"] == 3
    assert ran(tree.published({"conf.py": "TEA = 4\n"})) == ["app"]
    assert tree.module("app").VALUE["TEA"] == 4
    assert tree.module("conf").TEA == 4


def test_data_of_a_package_that_is_not_loaded(tree: LiveTree) -> None:
    web = "import pkgutil\nVALUE = pkgutil.get_data('apart', 'rates.txt')\n"
    tree.write({"apart/__init__.py": "", "apart/rates.txt": "1", "web.py": web})
    tree.install()
    assert tree.module("web").VALUE == b"1"
    tree.published({"apart/rates.txt": "2"})
    assert tree.module("web").VALUE == b"2"
