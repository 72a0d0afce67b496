"""What gets in the way of a watcher: limits, locks, neighbours, odd names."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import CAP
from transfuse.cli.status import status_lines

if TYPE_CHECKING:
    from conftest import LiveTree


def _loop(path: Path) -> None:
    """Put something at `path` that no user can read, root included: a link that leads to itself."""
    path.symlink_to(path)


def _saved(tree: LiveTree, files: dict[str, str], *, watch: bool) -> None:
    """Save files, and have them served."""
    if not watch:
        tree.published(files)
        return
    seen = len(tree.reports)
    tree.write(files)
    tree.wait(lambda report: report.outcome == "published", after=seen)


@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize("name", ["pgdata", "theirs.py"])
def test_what_cannot_be_read_and_nobody_needs_holds_no_update_up(
    tree: LiveTree, caplog: pytest.LogCaptureFixture, name: str, watch: bool
) -> None:
    tree.write({"prices.py": "TEA = 1\n"})
    _loop(tree.root / name)
    tree.install(watch=watch)
    tree.module("prices")
    _saved(tree, {"prices.py": "TEA = 2\n"}, watch=watch)
    # The same if it is made later.
    _loop(tree.root / f"later{name}")
    _saved(tree, {"prices.py": "TEA = 3\n"}, watch=watch)
    assert tree.module("prices").TEA == 3
    assert [report.outcome for report in tree.reports] == ["published", "published"]
    # A file that is no source and appears later is ignored until everything is compared again.
    seen = [name, f"later{name}"] if name.endswith(".py") else [name]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [words.split(": ")[0] for words in told] == [
        f"cannot read {tree.root / n}" for n in seen
    ]
    assert "no module comes from there" in told[0]
    status = transfuse.status()
    assert {Path(path).name for path, _ in status.unreadable} == set(seen)
    lines = status_lines({**status.to_json(), "pid": 1, "process": "shop"})
    assert len([line for line in lines if line.startswith("  unreadable")]) == len(seen), lines


def test_what_can_be_read_at_last_is_found(tree: LiveTree) -> None:
    tree.write({"web.py": "try:\n    import tax\nexcept ImportError:\n    tax = None\n"})
    _loop(tree.root / "tax.py")
    tree.install()
    assert tree.module("web").tax is None
    tree.published({"prices.py": "TEA = 1\n"})
    tree.delete("tax.py")
    tree.published({"tax.py": "RATE = 20\n"})
    assert tree.module("web").tax.RATE == 20
    assert transfuse.status().unreadable == ()


def test_a_folder_that_modules_came_from_and_that_is_closed_refuses_an_update(
    tree: LiveTree,
) -> None:
    tree.write({"web.py": "import shop.tax\nV = 1\n", "shop/tax.py": "RATE = 10\n"})
    tree.install()
    tree.module("web")
    (tree.root / "shop").rename(tree.root.parent / "shop")
    _loop(tree.root / "shop")
    report = tree.update({"web.py": "import shop.tax\nV = 2\n"})
    assert report.outcome == "refused"
    assert "shop" in str(report.error)
    assert tree.module("web").V == 1
    tree.delete("shop")
    (tree.root.parent / "shop").rename(tree.root / "shop")
    tree.published()
    assert tree.module("web").V == 2


NO_INSTANCE = """
import transfuse
transfuse.install(roots=["."])
status = transfuse.status()
print(status.watching, "because", status.watching_because)
"""

LIMITED = """
import importlib, logging, pathlib, sys, transfuse
logging.basicConfig(level="WARNING", stream=sys.stdout)
root = pathlib.Path.cwd()
transfuse.install(roots=[root])

def save(value):
    for number in range(40):
        (root / f"pack{number}").mkdir(exist_ok=True)
        (root / f"pack{number}" / "__init__.py").write_text(f"VALUE = {value}\\n")

save(1)
transfuse.update()
packs = [importlib.import_module(f"pack{number}") for number in range(40)]
for value in range(2, 10):
    save(value)
    transfuse.update()
    assert all(sys.modules[f"pack{number}"].VALUE == value for number in range(40)), value
status = transfuse.status()
print(status.watching, "because", status.watching_because)
"""


def within(limit: str, code: str, folder: Path) -> list[str]:
    """Run code under a limit of inotify; the lines it prints."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("a limit for one process takes a namespace")
    setting = f'echo {limit.replace("=", " > /proc/sys/user/")} && exec "$0" "$@"'
    shell = [unshare, "-Ur", "sh", "-c", setting]
    if subprocess.run([*shell, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no such namespace is allowed here")
    done = subprocess.run(
        [*shell, sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_where_the_system_watches_no_more_folders_none_is_overlooked(tmp_path: Path) -> None:
    warned, *_, status = within("25=max_inotify_watches", LIMITED, tmp_path)
    assert warned.startswith("WARNING:transfuse:the system does not tell of all changes"), warned
    assert "fs.inotify.max_user_watches" in warned
    assert "poll = 1.0" in warned
    assert status.startswith("polling because the system's limit of watched directories"), status


def test_where_the_system_has_no_watcher_more_it_is_said_what_to_raise(tmp_path: Path) -> None:
    (status,) = within("0=max_inotify_instances", NO_INSTANCE, tmp_path)
    assert status.startswith("polling because the system cannot create one more file watcher"), (
        status
    )
    assert "fs.inotify.max_user_instances" in status


def test_where_no_folder_can_be_made_files_are_polled(
    tree: LiveTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    tree.write({"prices.py": "TEA = 1\n"})
    tree.install(watch=True)
    tree.module("prices")
    status = transfuse.status()
    assert status.watching == "polling"
    assert str(tmp_path / "nowhere") in status.watching_because
    assert status.watching_because in caplog.text
    _saved(tree, {"prices.py": "TEA = 2\n"}, watch=True)


def test_who_asks_for_polling_gets_it_without_a_word(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.install(watch=True, poll=0.05)
    status = transfuse.status()
    assert (status.watching, status.watching_because, caplog.text) == ("polling", "", "")


@pytest.fixture
def settings(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> LiveTree:
    """A project with settings, in which the process was started."""
    monkeypatch.chdir(tree.root)
    tree.write({"pyproject.toml": "[tool.transfuse]\nkeep = 3\n", "prices.py": "TEA = 1\n"})
    return tree


def test_settings_that_were_edited_before_a_rollback_are_applied_after_it(
    settings: LiveTree,
) -> None:
    settings.install()
    settings.module("prices")
    settings.published({"prices.py": "TEA = 2\n"})
    settings.write({"pyproject.toml": "[tool.transfuse]\nkeep = 7\n"})
    assert transfuse.rollback().outcome == "rolled back"
    transfuse.update()
    assert "keep is 7 now" in [note.what for report in settings.reports for note in report.notes]


def test_settings_that_are_edited_while_others_save_are_applied(settings: LiveTree) -> None:
    settings.install(watch=True)
    settings.module("prices")
    settings.write({"pyproject.toml": "[tool.transfuse]\nkeep = 7\n"})
    # As a copy over a network does: other files follow, for longer than it is waited before the
    # first look (the cap of the window, 3 s), but not for longer than an update waits.
    end = time.monotonic() + 4
    count = 2
    while time.monotonic() < end:
        count += 1
        settings.write({"prices.py": f"TEA = {count}\n"})
    settings.wait(lambda report: any(note.what == "keep is 7 now" for note in report.notes))


def test_a_path_object_in_sys_path_is_passed_over(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write({"lib/other.py": ""})
    tree.write({"web.py": "try:\n    import plug\nexcept ImportError:\n    plug = None\n"})
    entries: list[object] = [str(tree.root / "lib"), Path("/nowhere"), b"/bytes", *sys.path]
    monkeypatch.setattr(sys, "path", entries)
    tree.install()
    assert tree.module("web").plug is None
    tree.published({"lib/plug.py": "VALUE = 1\n"})
    assert tree.module("web").plug.VALUE == 1


def test_a_path_entry_that_is_there_later_is_live(
    tree: LiveTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write({"lib/plug.py": "VALUE = 1\n"})
    entry = tmp_path / "elsewhere"
    monkeypatch.setattr(sys, "path", [str(entry), *sys.path])
    tree.install()
    with pytest.raises(ModuleNotFoundError):
        tree.module("plug")
    entry.symlink_to(tree.root / "lib")
    assert tree.module("plug").VALUE == 1
    tree.published({"lib/plug.py": "VALUE = 2\n"})
    assert tree.module("plug").VALUE == 2


def test_a_data_file_whose_name_is_no_text_is_a_dependency(tree: LiveTree) -> None:
    name = os.fsencode(tree.root) + b"/\xff.txt"
    try:
        Path(os.fsdecode(name)).write_text("1")
    except OSError:
        pytest.skip("this file system has names of text only")
    tree.write({"prices.py": f"with open({name!r}) as file:\n    TEA = int(file.read())\n"})
    tree.install()
    assert tree.module("prices").TEA == 1
    Path(os.fsdecode(name)).write_text("2")
    tree.published()
    assert tree.module("prices").TEA == 2


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, as containers may share one."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return temporary


# No process here has that number, but one in another container may.
ELSEWHERE = 2**22 + 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the system does not tell of processes")
def test_the_folders_of_neighbours_in_other_containers_are_let_be(
    tree: LiveTree, temporary: Path
) -> None:
    young, living, dead = (
        temporary / f"transfuse-{ELSEWHERE}-{made}" for made in (time.time_ns(), 1, 2)
    )
    for folder in (young, living, dead):
        folder.mkdir()
    (dead / "alive").touch()
    with (living / "alive").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree.install()
    assert [folder.exists() for folder in (young, living, dead)] == [True, True, False]


def test_a_folder_that_was_cleaned_away_is_made_anew(tree: LiveTree, temporary: Path) -> None:
    def own() -> list[Path]:
        return list(temporary.glob(f"transfuse-{os.getpid()}-*"))

    tree.write({"prices.py": "TEA = 1\n"})
    tree.install(watch=True)
    tree.module("prices")
    before = own()
    for folder in before:
        shutil.rmtree(folder)
    tree.published({"prices.py": "TEA = 2\n"})
    after = own()
    assert len(before) == len(after) == 1
    assert before != after
    begun = time.monotonic()
    tree.published({"prices.py": "TEA = 3\n"})
    assert (
        time.monotonic() - begun < CAP / 10
    )  # its events arrive: no update waits for them in vain
    assert transfuse.status().watching == "native"
    transfuse.uninstall()
    assert own() == []


def test_who_compiles_takes_no_file_that_another_container_is_writing(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 1\n"})
    cache = tree.root / "__pycache__" / f"prices.{sys.implementation.cache_tag}.pyc"
    cache.parent.mkdir()
    # A process of the same number, whose count is at any number as well.
    theirs = [cache.with_name(f"{cache.name}.{os.getpid()}.{count}") for count in range(3_000)]
    for file in theirs:
        file.touch()
    tree.install()
    assert tree.module("prices").TEA == 1
    assert cache.exists()
    assert all(file.exists() and file.stat().st_size == 0 for file in theirs)
