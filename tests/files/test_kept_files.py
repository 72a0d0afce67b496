"""What a function read of a file and keeps is stale after an edit, so the module that has it runs.

A file that is read again at each call is no reason to run, and neither is one that the program
itself writes.
"""

from __future__ import annotations

import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest

from conftest import LiveTree, ran

HEAD = """
import functools, json
from pathlib import Path
HERE = Path(__file__).parent
"""
KEPT = {
    "context manager": """
        import contextlib
        found = []
        @contextlib.contextmanager
        def rates():
            yield json.loads((HERE / "rates.json").read_text())
        def get():
            if not found:
                with rates() as rate:
                    found.append(rate)
            return found[0]
        """,
    "callback": """
        found = []
        def read(call):
            call(json.loads((HERE / "rates.json").read_text()))
        def get():
            if not found:
                read(found.append)
            return found[0]
        """,
    "special method": """
        found = []
        class Rates:
            def __getitem__(self, name):
                return json.loads((HERE / name).read_text())
        rates = Rates()
        def get():
            if not found:
                found.append(rates["rates.json"])
            return found[0]
        """,
    "global": """
        found = None
        def get():
            global found
            if found is None:
                found = json.loads((HERE / "rates.json").read_text())
            return found
        """,
    "with statement": """
        found = {}
        def get():
            if "rate" not in found:
                with open(HERE / "rates.json") as file:
                    found["rate"] = json.load(file)
            return found["rate"]
        """,
    "class attribute": """
        class Rates:
            found = None
            @classmethod
            def read(cls):
                if cls.found is None:
                    cls.found = json.loads((HERE / "rates.json").read_text())
                return cls.found
        def get():
            return Rates.read()
        """,
    "cached property": """
        class Rates:
            @functools.cached_property
            def rate(self):
                return json.loads((HERE / "rates.json").read_text())
        rates = Rates()
        def get():
            return rates.rate
        """,
    "attribute of a global": """
        class Rates:
            def __init__(self):
                self.rate = None
            def read(self):
                if self.rate is None:
                    text = (HERE / "rates.json").read_text()
                    self.rate = json.loads(text)
                return self.rate
        rates = Rates()
        def get():
            return rates.read()
        """,
    "object that a helper fills": """
        class Rates:
            def __init__(self):
                self.rate = json.loads((HERE / "rates.json").read_text())
        made = []
        def get():
            if not made:
                made.append(Rates())
            return made[0].rate
        """,
    "object of a library": """
        import outside
        settings = outside.Settings(HERE / "rates.json")
        def get():
            return settings.rate
        """,
    "object that a library fills": """
        import outside
        found = None
        def get():
            global found
            if found is None:
                parser = outside.Parser()
                parser.read(HERE / "rates.json")
                found = parser
            return found.rate
        """,
}
NOT_KEPT = {
    "returned": """
        def get():
            return json.loads((HERE / "rates.json").read_text())
        """,
    "local": """
        calls = []
        def get():
            calls.append(1)
            with open(HERE / "rates.json") as file:
                found = {"rate": json.load(file)}
            return found["rate"]
        """,
    "object of the request": """
        class Page:
            def __init__(self):
                self.rate = None
            def read(self):
                self.rate = json.loads((HERE / "rates.json").read_text())
                return self.rate
        def get():
            return Page().read()
        """,
    "handed on by a library": """
        import outside
        files = outside.Files()
        def get():
            return json.loads(files.send(HERE / "rates.json"))
        """,
}
LIBRARY = """
import json
class Settings:
    def __init__(self, path):
        self.path, self.found = path, {}
    def __getattr__(self, name):
        if name not in self.found:
            self.found[name] = json.loads(self.path.read_text())
        return self.found[name]
class Parser:
    def read(self, path):
        self.rate = json.loads(path.read_text())
class Files:
    def send(self, path):
        return path.read_text()
"""


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(LIBRARY, vars(module))


def installed(tree: LiveTree, policy: str, source: str) -> None:
    tree.write({"conf.py": HEAD + textwrap.dedent(source), "rates.json": "1"})
    tree.write({"web.py": "import conf\n"})
    tree.install(policy=policy)


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_p5_what_a_function_read_and_kept(tree: LiveTree, policy: str, source: str) -> None:
    installed(tree, policy, source)
    assert tree.module("web").conf.get() == 1
    for rate in (2, 3):
        assert ran(tree.published({"rates.json": str(rate)})) == ["conf", "web"]
        assert tree.module("web").conf.get() == rate


@pytest.mark.parametrize("source", NOT_KEPT.values(), ids=NOT_KEPT)
def test_p12_what_a_function_reads_at_each_call(tree: LiveTree, source: str) -> None:
    installed(tree, "overlay", source)
    assert tree.module("web").conf.get() == 1
    assert ran(tree.update({"rates.json": "2"})) == []
    assert tree.module("web").conf.get() == 2


def test_p5_an_object_of_another_module(tree: LiveTree, policy: str) -> None:
    tree.write({"conf.py": HEAD + "import outside\nsettings = outside.Settings(HERE / 'r.json')\n"})
    tree.write({"web.py": "from conf import settings\ndef get():\n    return settings.rate\n"})
    tree.write({"r.json": "1"})
    tree.install(policy=policy)
    assert tree.module("web").get() == 1
    assert ran(tree.published({"r.json": "2"})) == ["conf", "web"]
    assert tree.module("web").get() == 2


WRITES = {
    "open": '(HERE / "rates.json").write_text(str(rate))',
    "replace": '(HERE / "new.json").write_text(str(rate))\n'
    '    (HERE / "new.json").replace(HERE / "rates.json")',
}


@pytest.mark.parametrize("how", WRITES)
def test_p12_what_the_program_writes_itself(tree: LiveTree, how: str) -> None:
    writer = f"def put(rate):\n    global found\n    found = rate\n    {WRITES[how]}\n"
    installed(tree, "overlay", textwrap.dedent(KEPT["global"]) + writer)
    assert tree.module("conf").get() == 1
    tree.module("conf").put(2)
    assert ran(tree.update()) == []
    assert tree.module("conf").get() == 2


FOLDERS = {
    "replace": """
        new, old = HERE / "new", HERE / "old"
        new.mkdir()
        (new / "rates.json").write_text("2")
        (HERE / "data").rename(old)
        new.rename(HERE / "data")
        shutil.rmtree(old)
        """,
    "remove": """
        (HERE / "data" / "rates.json").unlink()
        """,
    "remove the folder": """
        shutil.rmtree(HERE / "data")
        """,
}


@pytest.mark.parametrize("how", FOLDERS)
def test_p12_what_the_program_replaces_or_removes_itself(tree: LiveTree, how: str) -> None:
    # As a server of calendars does, which makes a folder for each of them.
    source = HEAD + "import shutil\nfound = None\ndef get():\n    global found\n"
    source += "    found = found or json.loads((HERE / 'data' / 'rates.json').read_text())\n"
    source += "    return found\n"
    change = textwrap.indent(textwrap.dedent(FOLDERS[how]), "    ")
    source += f"def change():\n{change}\n"
    tree.write({"data/rates.json": "1", "other.json": "1"})
    installed(tree, "overlay", source)
    assert tree.module("web").conf.get() == 1
    tree.module("conf").change()
    assert ran(tree.update()) == []
    # Other code changes another file, which counts.
    assert ran(tree.published({"conf.py": source + "# again\n"})) == ["conf", "web"]
