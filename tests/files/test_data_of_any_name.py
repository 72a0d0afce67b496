"""A data file is what was opened, whatever its name: `.env`, `.d/x`, `conf/` beside the roots."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import LiveTree, ran

if TYPE_CHECKING:
    from pathlib import Path

READS = """\
from pathlib import Path

VALUE = (Path(__file__).parent / {name!r}).read_text()
"""
HIDDEN = (".env", ".env.local", ".secrets.toml", ".d/x", ".config/app/conf.yaml", "conf/.env")


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("watch", [False, True])
def test_a_name_that_begins_with_a_dot(tree: LiveTree, name: str, watch: bool) -> None:
    tree.write({"conf.py": READS.format(name=name), name: "1", "web.py": "import conf\n"})
    tree.install(watch=watch)
    assert tree.module("web").conf.VALUE == "1"
    tree.write({name: "2"})
    report = tree.wait(lambda report: report.ok) if watch else transfuse.update()
    assert ran(report) == ["conf", "web"]
    assert tree.module("web").conf.VALUE == "2"


def test_a_hidden_file_is_followed_by_polling(tree: LiveTree) -> None:
    tree.write({"conf.py": READS.format(name=".env"), ".env": "1"})
    tree.install(watch=True, poll=0.05)
    assert tree.module("conf").VALUE == "1"
    tree.write({".env": "22"})
    tree.wait(lambda report: ran(report) == ["conf"])
    assert tree.module("conf").VALUE == "22"


def test_a_hidden_file_that_appears_and_goes(tree: LiveTree) -> None:
    text = READS.format(name=".d/x").replace("VALUE = ", "try:\n    VALUE = ")
    tree.write({"conf.py": text + "except OSError:\n    VALUE = None\n"})
    tree.install(watch=True)
    assert tree.module("conf").VALUE is None
    tree.write({".d/x": "1"})
    tree.wait(lambda report: ran(report) == ["conf"])
    assert tree.module("conf").VALUE == "1"
    tree.delete(".d/x")
    tree.wait(lambda report: ran(report) == ["conf"], after=1)
    assert tree.module("conf").VALUE is None


def test_a_hidden_file_that_nothing_reads_is_nothing(tree: LiveTree) -> None:
    tree.write({"web.py": "", ".env": "1"})
    tree.install(watch=True)
    tree.module("web")
    tree.write({".env": "2", ".other/x": "1"})
    assert tree.quiet(after=0)
    assert tree.update().outcome == "unchanged"


def test_a_file_in_a_folder_that_git_ignores(tree: LiveTree) -> None:
    (tree.root / ".git").mkdir()
    tree.write({".gitignore": "instance/\n.env\n", "conf.py": READS.format(name="instance/x")})
    tree.write({"instance/x": "1"})
    tree.install(gitignore=True)
    assert tree.module("conf").VALUE == "1"
    assert ran(tree.published({"instance/x": "2"})) == ["conf"]


def test_a_file_in_the_project_beside_the_roots(
    tmp_path: Path, tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (tmp_path / "config").mkdir()
    places = [tmp_path / ".env", tmp_path / "config" / "app.yaml"]
    for place in places:
        place.write_text("1")
    text = "from pathlib import Path\nVALUES = [Path(each).read_text() for each in {}]\n"
    tree.write({"conf.py": text.format([str(place) for place in places])})
    tree.install(watch=True)
    assert tree.module("conf").VALUES == ["1", "1"]
    for count, place in enumerate(places):
        place.write_text("2")
        tree.wait(lambda report: ran(report) == ["conf"], after=count)
    assert tree.module("conf").VALUES == ["2", "2"]


HELPERS = {
    "lru_cache": """
        from functools import lru_cache
        from pathlib import Path
        @lru_cache
        def read(path):
            return Path(path).read_text()
        """,
    "dict": """
        from pathlib import Path
        _read = {}
        def read(path):
            if path not in _read:
                _read[path] = Path(path).read_text()
            return _read[path]
        """,
    "cached method": """
        from functools import cache
        from pathlib import Path
        class Files:
            @cache
            def read(self, path):
                return Path(path).read_text()
        read = Files().read
        """,
    "no cache": """
        from pathlib import Path
        def read(path):
            return Path(path).read_text()
        """,
}


@pytest.mark.parametrize("how", HELPERS)
def test_a_file_that_is_read_through_the_cache_of_another_module(
    tree: LiveTree, how: str, policy: str
) -> None:
    tree.write({"helper.py": textwrap.dedent(HELPERS[how]), "rates.txt": "1"})
    asks = "import helper, os\nVALUE = helper.read(os.path.dirname(__file__) + '/rates.txt')\n"
    tree.write({"first.py": asks, "second.py": asks, "web.py": "import first, second\n"})
    tree.install(policy=policy)
    web = tree.module("web")
    assert (web.first.VALUE, web.second.VALUE) == ("1", "1")
    report = tree.published({"rates.txt": "2"})
    web = tree.module("web")
    assert (web.first.VALUE, web.second.VALUE) == ("2", "2")
    assert ("helper" in ran(report)) == (how != "no cache")
