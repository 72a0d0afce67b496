"""P16: what is served is kept by one process of a server, and told by the next."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.interpreter import python
from support.threads import Worker
from transfuse import _core
from transfuse.config.settings import Settings, read_settings
from transfuse.last_served import keeper, places
from transfuse.last_served.resumed import Place
from transfuse.process.install import install_settings
from transfuse.runtime import file_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LABEL = "serve shop.web:app at http://127.0.0.1:8000"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of all servers; no process keeps anything after the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tmp_path / "state" / "transfuse"
    keeper.end()


def settings_of(tree: LiveTree) -> Settings:
    return read_settings(start=tree.root, roots=[str(tree.root)], watch=False)


def keep(tree: LiveTree) -> Path:
    """Keep what is served, and wait until it is; return the folder."""
    keeper.begin(settings_of(tree), Place(LABEL))
    assert keeper.wait_until_kept()
    return places.folder_of(settings_of(tree), LABEL)


def start_anew(tree: LiveTree, take: str = "default") -> None:
    keeper.end()
    tree.unsubscribe()
    transfuse.uninstall()
    for name, module in list(sys.modules.items()):
        if str(tree.root) in str(getattr(module, "__file__", None)):
            del sys.modules[name]
    install_settings(settings_of(tree), place=Place(LABEL, take))


def until(what: str, so: Callable[[], bool]) -> None:
    end = time.monotonic() + CAP
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.01)  # between two looks, until the deadline


def begin(tree: LiveTree) -> None:
    tree.write({"val.py": "VALUE = 'good'\n"})
    tree.install()
    assert tree.module("val").VALUE == "good"


def test_p16_what_was_rolled_back_stays_back_in_the_next_process(
    tree: LiveTree, state: Path
) -> None:
    begin(tree)
    folder = keep(tree)
    assert folder.parent == state
    tree.published({"val.py": "VALUE = 'bad'\n"})
    served = transfuse.rollback().generation
    assert keeper.wait_until_kept()
    start_anew(tree)
    assert tree.module("val").VALUE == "good"
    assert transfuse.status().set_aside == (str(tree.root / "val.py"),)
    assert transfuse.status().generation == served + 1
    transfuse.accept()
    assert tree.module("val").VALUE == "bad"


def test_p16_a_former_generation_of_a_deleted_file_is_there_again(
    tree: LiveTree, state: Path
) -> None:
    tree.write({"shop/__init__.py": "", "shop/val.py": "VALUE = 'good'\n"})
    tree.install()
    assert tree.module("shop.val").VALUE == "good"
    keep(tree)
    tree.delete("shop/val.py")
    tree.published()
    transfuse.rollback()
    assert keeper.wait_until_kept()
    start_anew(tree)
    assert tree.module("shop.val").VALUE == "good"
    assert state.exists()


def test_p16_a_template_is_served_as_it_was(tree: LiveTree, state: Path) -> None:
    tree.write(
        {
            "web.py": "import transfuse, os\nHERE = os.path.dirname(__file__)\n"
            "def page(): return transfuse.read_text(os.path.join(HERE, 'page.html'))\n",
            "page.html": "good",
        }
    )
    tree.install()
    assert tree.module("web").page() == "good"
    keep(tree)
    tree.published({"page.html": "bad"})
    assert tree.module("web").page() == "bad"
    transfuse.rollback()
    assert keeper.wait_until_kept()
    start_anew(tree)
    assert tree.module("web").page() == "good"
    tree.published({"page.html": "mended"})
    assert tree.module("web").page() == "mended"
    assert state.exists()


def test_data_that_a_module_has_read_cannot_be_kept_and_is_told(
    tree: LiveTree, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write(
        {
            "rates.json": "1",
            "rates.py": "import pathlib\n"
            "VALUE = pathlib.Path(__file__).with_name('rates.json').read_text()\n",
        }
    )
    tree.install()
    assert tree.module("rates").VALUE == "1"
    keep(tree)
    tree.published({"rates.json": "2"})
    transfuse.rollback()
    assert tree.module("rates").VALUE == "1"
    assert keeper.wait_until_kept()
    start_anew(tree)
    assert "because that content was not kept: rates.json" in caplog.text
    assert tree.module("rates").VALUE == "2"
    assert state.exists()


def test_one_process_writes_and_another_goes_on_when_it_ends(tree: LiveTree, state: Path) -> None:
    begin(tree)
    folder = keep(tree)
    keeper.end()
    other = file_lock.take(folder / "lock")
    assert other is not None
    before = (folder / "written").read_text()
    keeper.begin(settings_of(tree), Place(LABEL))
    tree.published({"val.py": "VALUE = 2\n"})
    assert not keeper.wait_until_kept()
    assert (folder / "written").read_text() == before
    os.close(other)
    until("it is written", lambda: (folder / "written").read_text() != before)
    assert state.exists()


def test_the_one_that_does_not_write_waits_for_the_one_that_does(
    tree: LiveTree, state: Path
) -> None:
    begin(tree)
    folder = keep(tree)
    keeper.end()
    other = file_lock.take(folder / "lock")
    assert other is not None
    sign = (folder / "written").read_text()
    (folder / "written").unlink()
    keeper.begin(settings_of(tree), Place(LABEL))
    waiting = Worker(keeper.wait_until_kept)
    (folder / "written").write_text(sign)
    assert waiting.result()
    os.close(other)
    assert state.exists()


def test_those_that_end_see_when_the_ones_that_take_over_have_written(
    tree: LiveTree, state: Path
) -> None:
    """Both serve the same, so what is served does not tell which ones have."""
    begin(tree)
    keeper.begin(settings_of(tree), Place(LABEL, by="server 1"))
    former = keeper.here()
    assert former is not None
    assert keeper.wait_until_kept()
    waiting = Worker(lambda: former.wait_for("server 2"))
    keeper.begin(settings_of(tree), Place(LABEL, by="server 2"))
    assert waiting.result()
    assert former.wait_for("server 2")
    assert state.exists()


def test_what_was_published_at_the_end_of_a_process_is_kept(tmp_path: Path, state: Path) -> None:
    code = """
import os, pathlib, transfuse
from transfuse import _core
from transfuse.config.settings import read_settings
from transfuse.last_served import keeper
from transfuse.last_served.resumed import Place
shop = pathlib.Path("shop.py")
shop.write_text("N = 1")
transfuse.install(roots=[os.getcwd()], watch=False)
import shop as live
keeper.begin(read_settings(roots=[os.getcwd()]), Place("run"))
assert keeper.wait_until_kept()
for number in range(20):
    shop.write_text(f"N = {number}")
    assert transfuse.update().outcome == "published"
print(_core.view()[1])
"""
    (generation,) = python(tmp_path, code)
    (folder,) = state.iterdir()
    assert (folder / "written").read_text().split()[0] == generation


def test_what_a_killed_process_left_is_removed(tree: LiveTree, state: Path) -> None:
    begin(tree)
    folder = keep(tree)
    keeper.end()
    half = folder / "base.4242.0123456789abcdef"
    half.write_bytes(b"half of it")
    keep(tree)
    known = {"base", "delta", "lock", "written", "about"}
    until("it is removed", lambda: {each.name for each in folder.iterdir()} <= known)
    assert state.exists()


def test_a_folder_that_is_removed_is_made_again(tree: LiveTree, state: Path) -> None:
    begin(tree)
    folder = keep(tree)
    folder.rename(state / "elsewhere")
    tree.published({"val.py": "VALUE = 2\n"})
    assert keeper.wait_until_kept()
    assert (folder / "base").exists()


def test_of_many_servers_those_that_were_written_last_stay(tree: LiveTree, state: Path) -> None:
    begin(tree)
    running = state / "running-1"
    for number in range(40):
        folder = state / f"old-{number}"
        folder.mkdir(parents=True)
        (folder / "base").write_bytes(b"")
        os.utime(folder / "base", (number, number))
    running.mkdir()
    os.utime(running, (0, 0))
    lock = file_lock.take(running / "lock")
    assert lock is not None
    os.utime(running / "lock", (0, 0))
    folder = keep(tree)
    left = {each.name for each in state.iterdir()}
    assert {"old-39", "old-20", folder.name, running.name} <= left
    assert "old-0" not in left
    assert len(left) == 33
    os.close(lock)


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_may_enter_is_not_trusted(
    tree: LiveTree, state: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    begin(tree)
    folder = places.folder_of(settings_of(tree), LABEL)
    folder.mkdir(parents=True)
    folder.chmod(mode)
    keeper.begin(settings_of(tree), Place(LABEL))
    assert not keeper.wait_until_kept()
    assert f"{folder} is not a folder of this user alone" in caplog.text
    assert Place(LABEL).for_core(settings_of(tree)) is None
    assert state.exists()


@pytest.mark.usefixtures("state")
def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    code = """
import os, sys, transfuse
from transfuse.config.settings import read_settings
from transfuse.last_served import keeper, places
from transfuse.last_served.resumed import Place
from transfuse.runtime import file_lock
transfuse.install(roots=[os.getcwd()], watch=False)
settings = read_settings(roots=[os.getcwd()])
keeper.begin(settings, Place("serve"))
assert keeper.wait_until_kept()
lock = places.folder_of(settings, "serve") / "lock"
child = os.fork()
if not child:
    # The parent's lock is neither given up nor kept by the child.
    os._exit(0 if keeper._keeper is None and file_lock.is_held(lock) else 1)
_, how = os.waitpid(child, 0)
assert how == 0, how
assert file_lock.is_held(lock)
keeper.end()
assert not file_lock.is_held(lock)
"""
    python(tmp_path, code, flags=("-W", "ignore"))


def test_two_servers_of_one_project_have_folders_of_their_own(tree: LiveTree, state: Path) -> None:
    settings = settings_of(tree)
    first, second = (places.folder_of(settings, f"{LABEL}{port}") for port in (1, 2))
    assert first != second
    assert first.parent == second.parent == state
    assert first.name.startswith(f"{tree.root.name}-")


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")

    def fails() -> Path:
        raise RuntimeError("no home directory")

    monkeypatch.setattr(Path, "home", fails)
    with pytest.raises(OSError, match="no home"):
        places.base()
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    with pytest.raises(OSError, match="no home"):
        places.base()


def test_without_a_difference_nothing_is_told(
    tree: LiveTree, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin(tree)
    keep(tree)
    caplog.set_level(logging.INFO, "transfuse")
    caplog.clear()
    start_anew(tree)
    assert "generation" not in caplog.text
    # Each number is of one state, in one process or in several.
    assert transfuse.status().generation == 2
    assert state.exists()


def test_the_core_refuses_a_word_that_it_does_not_know(tree: LiveTree, state: Path) -> None:
    begin(tree)
    keep(tree)
    with pytest.raises(ValueError, match="is not what a process can begin with"):
        start_anew(tree, "nonsense")
    assert state.exists()
    assert not _core.installed()
