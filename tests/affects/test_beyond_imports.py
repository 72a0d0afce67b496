"""Modules that an edit concerns though no import leads to them: what foreign code hands on."""

from __future__ import annotations

import os
import sys
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from conftest import LiveTree, ran

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = """
processors = []
by_name = {}
def configure(found):
    processors[:] = found
class Logger:
    # Keeps what was configured when it was first used.
    bound = None
    def __call__(self, text):
        if self.bound is None:
            self.bound = list(processors)
        for each in self.bound:
            text = each(text)
        return text
class Base:
    def __init_subclass__(cls):
        by_name[cls.__name__] = cls
class Reference:
    target = None
    def __init__(self, name):
        self.name = name
    def get(self):
        if self.target is None:
            self.target = by_name[self.name]
        return self.target
class Tasks:
    # Makes a class of each function, at the first use.
    def __init__(self):
        self.made = {}
    def get(self, name):
        if name not in self.made:
            function = by_name[name]
            own = {"run": staticmethod(function), "__module__": function.__module__}
            self.made[name] = type(name, (), own)()
        return self.made[name].run()
def task(function):
    by_name[function.__name__] = function
    return function
"""
KEPT = {
    "logger": (
        "import outside\ndef mark(text):\n    return text + 'EDITION'\noutside.configure([mark])\n",
        "import outside\nlog = outside.Logger()\ndef show():\n    return log('')\n",
    ),
    "reference": (
        "import outside\nclass Author(outside.Base):\n    name = 'EDITION'\n",
        """
        import outside
        class Book:
            author = outside.Reference("Author")
        def show():
            return Book.author.get().name
        """,
    ),
    "class made of a function": (
        "import outside\n@outside.task\ndef send():\n    return 'EDITION'\n",
        "import outside\ntasks = outside.Tasks()\ndef show():\n    return tasks.get('send')\n",
    ),
    "found by a function": (
        "import outside\n@outside.task\ndef send():\n    return 'EDITION'\n",
        """
        import outside
        found = {}
        def show():
            if not found:
                found["send"] = outside.by_name["send"]
            return found["send"]()
        """,
    ),
}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(LIBRARY, vars(module))
    return module


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("kept", KEPT)
def test_p5_what_a_foreign_registry_handed_to_a_module(
    tree: LiveTree, policy: str, kept: str
) -> None:
    maker, keeper = KEPT[kept]
    tree.write({"maker.py": maker.replace("EDITION", "1"), "keeper.py": keeper})
    tree.write({"app.py": "import maker, keeper\n", "other.py": ""})
    tree.install(policy=policy)
    assert tree.module("app").keeper.show() == "1"
    tree.module("other")
    for edition in ("2", "3"):
        report = tree.published({"maker.py": maker.replace("EDITION", edition)})
        assert sorted(ran(report)) == ["app", "keeper", "maker"]
        assert tree.module("app").keeper.show() == edition


@pytest.mark.usefixtures("library")
def test_p12_data_of_requests_is_no_reason_to_run(tree: LiveTree) -> None:
    maker = "import outside\nclass Author(outside.Base):\n    name = 'EDITION'\n"
    tree.write({"maker.py": maker.replace("EDITION", "1"), "store.py": "sessions = []\n"})
    tree.write({"app.py": "import maker, store\n"})
    tree.install()
    app = tree.module("app")
    app.store.sessions.append(app.maker.Author())
    assert ran(tree.published({"maker.py": maker.replace("EDITION", "2")})) == ["maker", "app"]
    assert tree.module("app").store.sessions


NAME = "TRANSFUSE_TESTS_RATE"
READS = {
    "getenv": f"import os\nRATE = os.getenv({NAME!r})\n",
    "item": f"from os import environ\nRATE = environ.get({NAME!r})\n",
    "by a function": f"import os\ndef get():\n    return os.getenv({NAME!r})\nRATE = get()\n",
}


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    os.environ.pop(NAME, None)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("reads", READS)
def test_p5_a_variable_that_another_module_reads(tree: LiveTree, policy: str, reads: str) -> None:
    setting = f"import os\nos.environ |= {{{NAME!r}: 'EDITION'}}\n"
    tree.write({"setting.py": setting.replace("EDITION", "1"), "reader.py": READS[reads]})
    tree.write({"app.py": "import setting, reader, other\n", "other.py": "V = 1\n"})
    tree.install(policy=policy)
    assert tree.module("app").reader.RATE == "1"
    tree.published({"setting.py": setting.replace("EDITION", "2")})
    assert tree.module("app").reader.RATE == "2"
    tree.published({"setting.py": ""})
    assert tree.module("app").reader.RATE is None
    report = tree.published({"setting.py": "V = 1\n"})
    assert sorted(ran(report)) == ["app", "setting"], "no variable has changed"


@pytest.mark.usefixtures("clean")
def test_p5_a_dotenv_file_that_the_entry_loads(tree: LiveTree, policy: str) -> None:
    entry = f"""
        import os
        from pathlib import Path
        os.environ.setdefault({NAME!r}, Path(__file__).with_name(".env").read_text())
        import database
        """
    tree.write({"app.py": textwrap.dedent(entry), "database.py": READS["getenv"], ".env": "1"})
    tree.install(policy=policy)
    assert tree.module("app").database.RATE == "1"
    assert sorted(ran(tree.published({".env": "2"}))) == ["app", "database"]
    assert tree.module("app").database.RATE == "2"


@pytest.mark.usefixtures("clean")
def test_p6_a_variable_of_a_module_that_is_deleted(tree: LiveTree, policy: str) -> None:
    entry = "try:\n    import setting\nexcept ImportError:\n    pass\n"
    tree.write({"setting.py": f"import os\nos.environ[{NAME!r}] = '1'\n"})
    tree.write({"app.py": entry + READS["getenv"]})
    tree.install(policy=policy)
    assert tree.module("app").RATE == "1"
    tree.delete("setting.py")
    refused = tree.update({"app.py": entry + READS["getenv"] + "raise ValueError\n"})
    assert (refused.outcome, os.environ[NAME]) == ("refused", "1")
    tree.published({"app.py": entry + READS["getenv"]})
    assert tree.module("app").RATE is None
