"""Many files, one change: version control, copies by another program, and what a script says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import LiveTree, ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILES = {"a.py": "V = 1\n", "z.py": "V = 1\n", "web.py": "import a, z\nSEEN = (a.V, z.V)\n"}
# Far longer than any quiet window.
PAUSE = 0.4


def started(tree: LiveTree, folder: str = "") -> None:
    tree.write({folder + name: text for name, text in FILES.items()})
    tree.install(watch=True)
    assert tree.module("web").SEEN == (1, 1)


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    yield
    path.unlink()


def linked(top: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (top / ".git").write_text(f"gitdir: {folder}\n")
    return folder / "index.lock"


LOCKS: dict[str, Callable[[Path], Path]] = {
    "git": lambda root: root / ".git" / "index.lock",
    "git, the root is a folder of it": lambda root: root.parent / ".git" / "index.lock",
    "a linked work tree": lambda root: linked(
        root, root.parent / "main" / ".git" / "worktrees" / "x"
    ),
    "mercurial": lambda root: root / ".hg" / "wlock",
}


@pytest.mark.parametrize("which", LOCKS)
def test_a_locked_work_tree_is_one_change(tree: LiveTree, which: str) -> None:
    place = LOCKS[which](tree.root)
    started(tree)
    with lock(place):
        tree.write({"a.py": "V = 2\n"})
        assert tree.quiet(after=0, seconds=PAUSE)
        tree.write({"z.py": "V = 2\n"})
    report = tree.wait(lambda report: report.ok)
    assert set(ran(report)) == {"a", "z", "web"}
    assert tree.module("web").SEEN == (2, 2)


def test_a_submodule_has_a_lock_of_its_own(tree: LiveTree) -> None:
    (tree.root / ".git").mkdir()
    tree.write({"sub/__init__.py": "", "sub/x.py": "V = 1\n", "sub/y.py": "V = 1\n"})
    place = linked(tree.root / "sub", tree.root / ".git" / "modules" / "sub")
    tree.write({"web.py": "import sub.x, sub.y\n"})
    tree.install(watch=True)
    tree.module("web")
    with lock(place):
        tree.write({"sub/x.py": "V = 2\n"})
        assert tree.quiet(after=0, seconds=PAUSE)
        tree.write({"sub/y.py": "V = 2\n"})
    assert {"sub.x", "sub.y"} <= set(ran(tree.wait(lambda report: report.ok)))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkout_with_large_files_between_two_modules(tree: LiveTree) -> None:
    def git(*words: str) -> None:
        name = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(
            ["git", *name, "-C", str(tree.root), *words], check=True, capture_output=True
        )

    (tree.root / "assets").mkdir()
    git("init", "-q")
    for count in (1, 2):
        tree.write({**FILES, "a.py": f"V = {count}\n", "z.py": f"V = {count}\n"})
        for number in range(20):
            (tree.root / "assets" / f"{number}.bin").write_bytes(os.urandom(1 << 20))
        git("add", ".")
        git("commit", "-qm", str(count))
    git("checkout", "-q", "HEAD~1")
    tree.install(watch=True)
    assert tree.module("web").SEEN == (1, 1)
    git("checkout", "-q", "-")
    assert set(ran(tree.wait(lambda report: report.outcome != "unchanged"))) == {"a", "z", "web"}
    assert tree.module("web").SEEN == (2, 2)


def test_files_that_are_copied_under_a_passing_name(tree: LiveTree) -> None:
    started(tree)
    tree.write({".a.py.Vx3k9Q": "V = 2\n"})
    (tree.root / ".a.py.Vx3k9Q").rename(tree.root / "a.py")
    with (tree.root / ".z.py.b0Lm4W").open("w") as draft:
        draft.write("V = 2\n")
        draft.flush()
        assert tree.quiet(after=0, seconds=PAUSE)
    (tree.root / ".z.py.b0Lm4W").rename(tree.root / "z.py")
    assert set(ran(tree.wait(lambda report: report.ok))) == {"a", "z", "web"}


def test_hold(tree: LiveTree) -> None:
    started(tree)
    with transfuse.hold():
        tree.write({"a.py": "V = 2\n"})
        assert tree.quiet(after=0, seconds=PAUSE)
        with transfuse.hold():
            pass
        tree.write({"z.py": "V = 2\n"})
        assert tree.quiet(after=0, seconds=PAUSE)
    assert set(ran(tree.wait(lambda report: report.ok))) == {"a", "z", "web"}
    assert tree.module("web").SEEN == (2, 2)


def test_a_file_that_holds(tree: LiveTree) -> None:
    started(tree)
    tree.write({".transfuse-hold": ""})
    tree.write({"a.py": "V = 2\n"})
    assert tree.quiet(after=0, seconds=PAUSE)
    tree.write({"z.py": "V = 2\n"})
    assert tree.quiet(after=0, seconds=PAUSE)
    tree.delete(".transfuse-hold")
    assert set(ran(tree.wait(lambda report: report.ok))) == {"a", "z", "web"}


def test_a_hold_ends_by_itself(tree: LiveTree, caplog: pytest.LogCaptureFixture) -> None:
    started(tree)
    with transfuse.hold(0.5):
        tree.write({"a.py": "V = 2\n"})
        assert ran(tree.wait(lambda report: report.ok)) == ["a", "web"]
    assert "not released in time" in caplog.text


def test_an_update_that_is_asked_for_is_made_under_a_hold(tree: LiveTree) -> None:
    started(tree)
    with transfuse.hold():
        assert tree.published({"a.py": "V = 2\n"}).ok
    assert tree.quiet(after=1)


def test_hold_without_install() -> None:
    with pytest.raises(transfuse.NotInstalledError), transfuse.hold():
        pass


def test_a_part_that_misses_a_file_is_not_reported(tree: LiveTree) -> None:
    started(tree)
    tree.write({"web.py": "import a, z, more\nSEEN = (a.V, z.V)\n"})
    time.sleep(0.06)  # the update of this part has begun, and its error is not reported yet
    tree.write({"more.py": "V = 1\n"})
    report = tree.wait(lambda report: report.outcome != "unchanged")
    assert report.ok, report.traceback


def test_what_is_missing_for_good_is_reported(tree: LiveTree) -> None:
    started(tree)
    tree.write({"web.py": "import nowhere_at_all\n"})
    report = tree.wait(lambda report: report.outcome == "refused")
    assert "nowhere_at_all" in report.traceback
    assert len([each for each in tree.reports if each.outcome == "refused"]) == 1
