"""A folder that a module lists while it is imported is a dependency: plugins find what appears."""

from __future__ import annotations

import textwrap

import pytest

import transfuse
from conftest import LiveTree, ran

FINDS = {
    "listdir": "import os; FOUND = os.listdir(HERE)",
    "listdir-bytes": "import os; FOUND = [os.fsdecode(n) for n in os.listdir(os.fsencode(HERE))]",
    "scandir": "import os; FOUND = [entry.name for entry in os.scandir(HERE)]",
    "walk": "import os; FOUND = [name for _, _, names in os.walk(HERE) for name in names]",
    "glob": "import glob; FOUND = [n.rpartition('/')[2] for n in glob.glob(str(HERE / '*.py'))]",
    "iterdir": "FOUND = [path.name for path in HERE.iterdir()]",
    "rglob": "FOUND = [path.name for path in HERE.rglob('*.py')]",
    "pkgutil": """
        import pkgutil, plug
        FOUND = [each.name + ".py" for each in pkgutil.iter_modules(plug.__path__)]
        """,
    "resources": """
        import importlib.resources
        FOUND = [each.name for each in importlib.resources.files("plug").iterdir()]
        """,
}
HEAD = "from pathlib import Path\nHERE = Path(__file__).parent / 'plug'\n"


@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize("how", FINDS)
def test_however_a_folder_is_listed(tree: LiveTree, how: str, watch: bool) -> None:
    tree.write({"web.py": HEAD + textwrap.dedent(FINDS[how]) + "\n"})
    tree.write({"plug/__init__.py": "", "plug/one.py": ""})
    tree.install(watch=watch)
    assert "one.py" in tree.module("web").FOUND
    tree.write({"plug/two.py": ""})
    report = tree.wait(lambda report: report.ok) if watch else transfuse.update()
    assert ran(report) == ["web"]
    assert {"one.py", "two.py"} <= set(tree.module("web").FOUND)
    tree.delete("plug/one.py")
    report = tree.wait(lambda report: report.ok, after=1) if watch else transfuse.update()
    assert ran(report) == ["web"]
    assert "one.py" not in tree.module("web").FOUND


def test_plugins_are_imported_as_they_appear(tree: LiveTree, policy: str) -> None:
    text = """
        import importlib, pkgutil, plug
        LOADED = {
            each.name: importlib.import_module("plug." + each.name).NAME
            for each in pkgutil.iter_modules(plug.__path__)
        }
        """
    tree.write({"web.py": text, "plug/__init__.py": "", "plug/a.py": "NAME = 1\n"})
    tree.install(policy=policy)
    assert tree.module("web").LOADED == {"a": 1}
    tree.published({"plug/b.py": "NAME = 2\n"})
    assert tree.module("web").LOADED == {"a": 1, "b": 2}
    tree.delete("plug/a.py")
    tree.published()
    assert tree.module("web").LOADED == {"b": 2}


def test_data_files_in_a_folder_that_is_listed(tree: LiveTree) -> None:
    text = "FOUND = sorted(path.read_text() for path in HERE.glob('*.txt'))\n"
    tree.write({"web.py": HEAD + text, "plug/a.txt": "1"})
    tree.install(watch=True)
    assert tree.module("web").FOUND == ["1"]
    tree.write({"plug/b.txt": "2"})
    tree.wait(lambda report: ran(report) == ["web"])
    assert tree.module("web").FOUND == ["1", "2"]


def test_a_folder_that_does_not_exist_yet(tree: LiveTree) -> None:
    found = "    FOUND = sorted(path.name for path in HERE.iterdir())\n"
    tree.write({"web.py": f"{HEAD}try:\n{found}except OSError:\n    FOUND = []\n"})
    tree.install()
    assert tree.module("web").FOUND == []
    assert ran(tree.published({"plug/a.txt": "1"})) == ["web"]
    assert tree.module("web").FOUND == ["a.txt"]


def test_what_comes_and_goes_by_itself_does_not_count(tree: LiveTree) -> None:
    tree.write({"web.py": HEAD + FINDS["listdir"] + "\n", "plug/one.py": ""})
    tree.install()
    tree.module("web")
    tree.write({"plug/__pycache__/x.pyc": "", "plug/.one.py.swp": "", "plug/one.py~": ""})
    assert tree.update().outcome == "unchanged"


def test_a_module_that_adds_to_the_folder_it_lists(tree: LiveTree) -> None:
    text = "FOUND = [path.name for path in HERE.iterdir()]\n(HERE / 'made.txt').write_text('x')\n"
    tree.write({"web.py": HEAD + text, "plug/one.txt": ""})
    tree.install()
    tree.module("web")
    assert tree.update().outcome == "unchanged"


def test_the_search_for_modules_lists_nothing(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tree.root))
    text = "import importlib.metadata\nVERSION = importlib.metadata.version('pytest')\n"
    tree.write({"web.py": text + "import json.tool\n"})
    tree.install()
    tree.module("web")
    assert tree.update({"other.py": "", "notes.txt": ""}).ran == ()
