"""A module that changes the working directory begins where its first run began."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

FOLDERS = {"one/x.txt": "1", "two/x.txt": "2", "one/inner/x.txt": "3", "one/other/x.txt": "4"}
HERE = "import os\nos.chdir({!r})\nHERE = os.path.basename(os.getcwd())\n"


@pytest.fixture(autouse=True)
def start(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tree.root)
    tree.write(FOLDERS)
    return Path(os.path.realpath(tree.root))


HOW = {
    "chdir": "os.chdir('one')",
    "bytes": "os.chdir(b'one')",
    "a path": "os.chdir(pathlib.Path('one'))",
    "a descriptor": "where = os.open('one', os.O_RDONLY)\nos.fchdir(where)\nos.close(where)",
    "a function": "def go(): os.chdir('one')\ngo()",
    "for a while": "os.chdir('one')\nos.chdir('..')\nos.chdir('one')",
}


@pytest.mark.parametrize("how", HOW)
def test_a_relative_change_is_made_again(
    tree: LiveTree, how: str, policy: str, start: Path
) -> None:
    source = f"import os, pathlib\n{HOW[how]}\nHERE = os.getcwd()\nEDITION = 1\n"
    tree.write({"web.py": source})
    tree.install(policy=policy)
    assert tree.module("web").HERE == str(start / "one")
    tree.published({"web.py": source.replace("EDITION = 1", "EDITION = 2")})
    assert (tree.module("web").HERE, tree.module("web").EDITION) == (str(start / "one"), 2)
    assert Path.cwd() == start / "one"


def test_another_directory_and_none(tree: LiveTree, start: Path) -> None:
    tree.write({"web.py": HERE.format("one")})
    tree.install()
    assert tree.module("web").HERE == "one"
    tree.published({"web.py": HERE.format("two")})
    assert (tree.module("web").HERE, Path.cwd()) == ("two", start / "two")
    tree.published({"web.py": "import os\nHERE = os.getcwd()\n"})
    assert tree.module("web").HERE == str(start)


def test_one_change_within_another(tree: LiveTree, start: Path) -> None:
    files = {"web.py": HERE.format("one") + "import shop\n", "shop.py": HERE.format("inner")}
    tree.write({**files, "tax.py": "V = 1\n"})
    tree.install()
    assert tree.module("web").shop.HERE == "inner"
    tree.published({name: text + "EDITION = 2\n" for name, text in files.items()})
    assert Path.cwd() == start / "one" / "inner"
    tree.published({"shop.py": HERE.format("other")})
    assert Path.cwd() == start / "one" / "other"
    assert (tree.module("web").HERE, tree.module("web").shop.HERE) == ("one", "other")


def test_a_module_that_runs_before_the_change(tree: LiveTree, start: Path) -> None:
    files = {
        "web.py": "import conf\n" + HERE.format("one"),
        "conf.py": "import os\nHERE = os.getcwd()\n",
    }
    tree.write(files)
    tree.install()
    assert tree.module("web").conf.HERE == str(start)
    tree.published({"conf.py": files["conf.py"] + "EDITION = 2\n"})
    assert tree.module("web").conf.HERE == str(start)
    assert Path.cwd() == start / "one"


def test_modules_that_began_in_the_former_directory_run_again(tree: LiveTree) -> None:
    tree.write(
        {
            "main.py": "import early, conf, late\n",
            "conf.py": HERE.format("one"),
            "early.py": "X = 1\n",
            "late.py": "with open('x.txt') as file: X = file.read()\n",
        }
    )
    tree.install()
    assert tree.module("main").late.X == "1"
    report = tree.published({"conf.py": HERE.format("two")})
    assert tree.module("main").late.X == "2"
    assert "early" not in ran(report)


@pytest.mark.parametrize("broken", ["web", "later"])
def test_a_refused_update_leaves_the_directory(tree: LiveTree, broken: str, start: Path) -> None:
    files = {
        "web.py": HERE.format("one") + "import shop, later\n",
        "shop.py": HERE.format("inner"),
        "later.py": "V = 1\n",
    }
    tree.write(files)
    tree.install()
    tree.module("web")
    changed = {"web.py": HERE.format("two") + "import later\n", "later.py": "V = 2\n"}
    changed[f"{broken}.py"] += "1 / 0\n"
    assert tree.update(changed).outcome == "refused"
    assert Path.cwd() == start / "one" / "inner"
    tree.published({name: text + "EDITION = 2\n" for name, text in files.items()})
    assert Path.cwd() == start / "one" / "inner"


def test_what_the_program_changed_later_stays(tree: LiveTree, start: Path) -> None:
    tree.write({"web.py": HERE.format("one")})
    tree.install()
    tree.module("web")
    os.chdir(start / "two")
    tree.published({"web.py": HERE.format("one/inner")})
    assert (tree.module("web").HERE, Path.cwd()) == ("inner", start / "two")
    assert tree.update({"web.py": HERE.format("nowhere")}).outcome == "refused"
    assert Path.cwd() == start / "two"


def test_a_rollback_goes_back(tree: LiveTree, start: Path) -> None:
    tree.write({"web.py": HERE.format("one")})
    tree.install()
    tree.module("web")
    tree.published({"web.py": HERE.format("two")})
    transfuse.rollback()
    assert (tree.module("web").HERE, Path.cwd()) == ("one", start / "one")
