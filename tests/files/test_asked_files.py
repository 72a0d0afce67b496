"""A file that a module only asks for, without opening it, is a dependency: whether it exists."""

from __future__ import annotations

import os
import textwrap

import pytest

import transfuse
from conftest import LiveTree, ran

HEAD = "import os\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"
ASKS = {
    "Path.exists": "FOUND = (HERE / 'extra').exists()",
    "Path.is_file": "FOUND = (HERE / 'extra').is_file()",
    "os.path.exists": "FOUND = os.path.exists(HERE / 'extra')",
    "os.path.isfile": "FOUND = os.path.isfile(str(HERE) + '/extra')",
    "bytes": "FOUND = os.path.exists(os.fsencode(HERE / 'extra'))",
    "os.access": "FOUND = os.access(HERE / 'extra', os.R_OK)",
    "imported by name": "from os.path import exists\nFOUND = exists(HERE / 'extra')",
    "in a loop": "FOUND = all([(HERE / 'extra').exists() for _ in range(200)])",
    "os.stat": """
        try:
            os.stat(HERE / "extra")
            FOUND = True
        except FileNotFoundError:
            FOUND = False
        """,
    "resources": """
        import importlib.resources
        FOUND = importlib.resources.files("plug").joinpath("../extra").is_file()
        """,
    "in a function": """
        def found(name):
            return (HERE / name).exists()
        FOUND = found("extra")
        """,
}


def source(ask: str) -> str:
    return HEAD + textwrap.dedent(ask) + "\n"


@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize("ask", ASKS)
def test_a_file_that_appears_and_goes(tree: LiveTree, ask: str, watch: bool) -> None:
    tree.write({"web.py": source(ASKS[ask]), "plug/__init__.py": ""})
    tree.install(watch=watch)
    assert tree.module("web").FOUND is False
    for number, found in enumerate((True, False, True)):
        tree.write({"extra": "1"}) if found else tree.delete("extra")
        report = tree.wait(lambda report: report.ok, after=number) if watch else transfuse.update()
        assert ran(report) == ["web"]
        assert tree.module("web").FOUND is found


def test_the_content_does_not_count(tree: LiveTree) -> None:
    tree.write({"web.py": source(ASKS["Path.exists"]), "extra": "1"})
    tree.install(watch=True)
    assert tree.module("web").FOUND is True
    tree.write({"extra": "2"})
    assert tree.quiet(after=0)
    assert tree.update().outcome == "unchanged"


@pytest.mark.parametrize("ask", ["(HERE / 'extra').stat()", "os.stat(HERE / 'extra')"])
def test_the_content_counts_for_a_module_that_asks_for_the_size(tree: LiveTree, ask: str) -> None:
    tree.write({"web.py": f"{HEAD}SIZE = {ask}.st_size\n", "extra": "1"})
    tree.install()
    assert tree.module("web").SIZE == 1
    assert ran(tree.published({"extra": "22"})) == ["web"]
    assert tree.module("web").SIZE == 2


def test_a_file_that_is_opened_after_it_was_asked_for(tree: LiveTree) -> None:
    text = "extra = HERE / 'extra'\nTEXT = extra.read_text() if extra.exists() else None\n"
    tree.write({"web.py": HEAD + text})
    tree.install()
    assert tree.module("web").TEXT is None
    for text in ("1", "2", "3"):
        assert ran(tree.published({"extra": text})) == ["web"]
        assert tree.module("web").TEXT == text


def test_a_folder_that_is_listed_after_it_was_asked_for(tree: LiveTree) -> None:
    text = "plug = HERE / 'plug'\nNAMES = os.listdir(plug) if plug.is_dir() else []\n"
    tree.write({"web.py": HEAD + text})
    tree.install()
    assert tree.module("web").NAMES == []
    tree.published({"plug/a.txt": ""})
    tree.published({"plug/b.txt": ""})
    assert sorted(tree.module("web").NAMES) == ["a.txt", "b.txt"]


def test_a_folder_in_the_place_of_a_file(tree: LiveTree) -> None:
    tree.write({"web.py": source("FOUND = (HERE / 'extra').is_dir()"), "extra": ""})
    tree.install()
    assert tree.module("web").FOUND is False
    tree.delete("extra")
    tree.published({"extra/x": ""})
    assert tree.module("web").FOUND is True


def test_source_that_is_imported_if_it_is_there(tree: LiveTree) -> None:
    text = """
        if (HERE / "local_settings.py").exists():
            from local_settings import DEBUG
        else:
            DEBUG = None
        """
    tree.write({"conf.py": source(text), "web.py": "import conf\n"})
    tree.install()
    assert tree.module("web").conf.DEBUG is None
    tree.published({"local_settings.py": "DEBUG = 1\n"})
    assert tree.module("web").conf.DEBUG == 1
    tree.published({"local_settings.py": "DEBUG = 2\n"})
    assert tree.module("web").conf.DEBUG == 2
    tree.delete("local_settings.py")
    tree.published()
    assert tree.module("web").conf.DEBUG is None


def test_a_function_of_another_module_that_caches_the_answer(tree: LiveTree) -> None:
    conf = "import functools\n@functools.cache\ndef has(name):\n    return (HERE / name).exists()\n"
    tree.write({"conf.py": HEAD + conf, "web.py": "import conf\nFOUND = conf.has('extra')\n"})
    tree.install()
    assert tree.module("web").FOUND is False
    assert ran(tree.published({"extra": ""})) == ["conf", "web"]
    assert tree.module("web").FOUND is True


MAKES = {
    "a folder": "os.makedirs(HERE / 'made', exist_ok=True)",
    "a folder by pathlib": "(HERE / 'made').mkdir(exist_ok=True)",
    "a file": "if not (HERE / 'made').exists():\n    (HERE / 'made').write_text('1')",
    "a lock": """
        if (HERE / "made").exists():
            (HERE / "made").unlink()
        os.close(os.open(HERE / "made", os.O_CREAT | os.O_WRONLY))
        """,
}


@pytest.mark.parametrize("make", MAKES)
def test_what_the_module_itself_makes_is_no_change(tree: LiveTree, make: str) -> None:
    tree.write({"web.py": source(MAKES[make])})
    tree.install(watch=True)
    tree.module("web")
    assert (tree.root / "made").exists()
    assert tree.quiet(after=0)
    assert tree.update().outcome == "unchanged"


def test_the_function_of_the_system_stays_what_it_is(tree: LiveTree) -> None:
    tree.install()
    assert os.stat in os.supports_follow_symlinks
    assert os.stat.__name__ == "stat"
    with pytest.raises(FileNotFoundError):
        os.stat(tree.root / "nothing")
