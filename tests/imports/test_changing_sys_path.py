"""What happens to `sys.path` after the start says nothing about a module that is loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import LiveTree, ran

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = {"conf.py": "V = 1\n", "pack/__init__.py": "import conf\n", "pack/part.py": "V = 1\n"}
WEB = "import conf, pack.part\nSEEN = (conf.V, pack.part.V)\n"


def _insert(root: Path, patch: pytest.MonkeyPatch, entry: str) -> None:
    patch.chdir(root if entry in ("", ".") else root.parent)
    sys.path.insert(0, entry)


def _only_relative(root: Path, patch: pytest.MonkeyPatch) -> None:
    sys.path.remove(str(root))
    _insert(root, patch, ".")


def _reorder(root: Path, _: pytest.MonkeyPatch) -> None:
    sys.path.remove(str(root))
    sys.path.append(str(root))


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "a dot in front": lambda root, patch: _insert(root, patch, "."),
    "an empty entry in front": lambda root, patch: _insert(root, patch, ""),
    "a relative entry in front": lambda root, patch: _insert(root, patch, root.name),
    "its entry goes": lambda root, _: sys.path.remove(str(root)),
    "all entries are relative": _only_relative,
    "another folder": lambda root, patch: patch.chdir(root.parent.parent),
    "reordered": _reorder,
}


@pytest.mark.parametrize("how", CHANGES)
def test_updates_go_on(tree: LiveTree, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tree.root), *sys.path])
    tree.write({**FILES, "web.py": WEB})
    tree.install()
    before = {name: tree.module(name).__file__ for name in ("web", "conf", "pack.part")}
    assert tree.module("web").SEEN == (1, 1)
    CHANGES[how](tree.root, monkeypatch)
    for count in (2, 3):
        tree.published({"conf.py": f"V = {count}\n", "pack/part.py": f"V = {count}\n"})
        assert tree.module("web").SEEN == (count, count)
        assert {name: tree.module(name).__file__ for name in before} == before


def test_started_with_a_relative_entry(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.root)
    monkeypatch.setattr(sys, "path", [".", *sys.path])
    tree.write({**FILES, "web.py": WEB})
    tree.install()
    assert Path(tree.module("web").__file__) == tree.root / "web.py"
    monkeypatch.chdir(tree.root.parent)
    assert ran(tree.published({"conf.py": "V = 2\n"})) == ["conf", "pack", "web"]
    assert tree.module("web").SEEN == (2, 1)


def test_a_file_of_the_same_name_in_an_entry_that_comes_first_now(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tree.root), *sys.path])
    tree.write({"conf.py": "V = 1\n", "more/conf.py": "V = 'more'\n", "web.py": "import conf\n"})
    tree.install()
    assert tree.module("web").conf.V == 1
    sys.path.insert(0, str(tree.root / "more"))
    tree.published({"conf.py": "V = 2\n"})
    assert tree.module("web").conf.V == 2
