"""Packages that are installed while a process runs, as pip does it."""

from __future__ import annotations

import importlib
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from transfuse.handover.packages import Installed, Packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Longer than pip is waited for to become quiet, and shorter.
LATER, SOON = 10.0, 1.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages, of which one is imported."""
    install(tmp_path, "stork", "1.0")
    install(tmp_path, "heron", "1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("stork")
    yield tmp_path
    del sys.modules["stork"]


def install(folder: Path, name: str, version: str, *, listed: bool = True) -> None:
    (folder / f"{name}.py").write_text(f"VERSION = {version!r}\n")
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    if listed:
        listing(folder, name, version)


def listing(folder: Path, name: str, version: str) -> None:
    """The list of the files, which is written last."""
    info = f"{name}-{version}.dist-info"
    (folder / info / "RECORD").write_text(f"{name}.py,sha256=x,10\n{info}/RECORD,,\n")


def remove(folder: Path, name: str, version: str) -> None:
    (folder / f"{name}.py").unlink()
    shutil.rmtree(folder / f"{name}-{version}.dist-info")


def differing(packages: Packages, now: float = 0.0) -> list[Installed] | None:
    """What differs, once nothing changes any more."""
    assert packages.look(now) is None
    return packages.look(now + LATER)


def test_a_package_that_is_in_use_is_another_by_now(folder: Path) -> None:
    packages = Packages([str(folder)])
    assert differing(packages) is None
    remove(folder, "stork", "1.0")
    install(folder, "stork", "2.0")
    found = differing(packages)
    assert found == [Installed("stork", "1.0", "2.0", is_loaded=True)]
    assert found[0].what == "stork 2.0 was installed in place of 1.0"
    # It is told once.
    assert packages.look(2 * LATER) is None


def test_one_that_is_not_imported_is_told_as_such(folder: Path) -> None:
    packages = Packages([str(folder)])
    remove(folder, "heron", "1.0")
    install(folder, "heron", "2.0")
    install(folder, "ibis", "1.0")
    found = differing(packages)
    assert found == [
        Installed("heron", "1.0", "2.0", is_loaded=False),
        Installed("ibis", None, "1.0", is_loaded=False),
    ]
    assert found[1].what == "ibis 1.0 was installed"


def test_one_that_is_removed_is_told(folder: Path) -> None:
    packages = Packages([str(folder)])
    remove(folder, "stork", "1.0")
    assert differing(packages) == [Installed("stork", "1.0", None, is_loaded=True)]


def test_one_that_is_installed_again_in_the_same_version_is_told(folder: Path) -> None:
    packages = Packages([str(folder)])
    remove(folder, "stork", "1.0")
    (folder / "kept").mkdir()  # so that the folder gets a time of its own
    install(folder, "stork", "1.0")
    with (folder / "stork-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("stork.pyi,,\n")
    found = differing(packages)
    assert found == [Installed("stork", "1.0", "1.0", is_loaded=True)]
    assert found[0].what == "stork 1.0 was installed again"


def test_what_went_and_came_back_is_nothing(folder: Path) -> None:
    """An installation that failed is undone by pip."""
    packages = Packages([str(folder)])
    stashed = folder / "~tork-1.0.dist-info"
    (folder / "stork-1.0.dist-info").rename(stashed)
    assert packages.look(0.0) is None
    stashed.rename(folder / "stork-1.0.dist-info")
    assert packages.look(SOON) is None
    assert packages.look(SOON + LATER) == []


def test_pip_is_waited_for_while_it_keeps_the_former_package_aside(folder: Path) -> None:
    packages = Packages([str(folder)])
    stashed = folder / "~tork-1.0.dist-info"
    (folder / "stork-1.0.dist-info").rename(stashed)
    install(folder, "stork", "2.0")
    assert differing(packages) is None
    assert packages.look(10 * LATER) is None
    shutil.rmtree(stashed)
    assert differing(packages, 20 * LATER) == [Installed("stork", "1.0", "2.0", is_loaded=True)]


def test_pip_is_waited_for_until_the_files_are_listed(folder: Path) -> None:
    packages = Packages([str(folder)])
    remove(folder, "stork", "1.0")
    install(folder, "stork", "2.0", listed=False)
    assert differing(packages) is None
    listing(folder, "stork", "2.0")
    assert packages.look(2 * LATER) == [Installed("stork", "1.0", "2.0", is_loaded=True)]


def test_one_that_never_lists_its_files_may_have_any(folder: Path) -> None:
    packages = Packages([str(folder)])
    install(folder, "ibis", "1.0", listed=False)
    assert differing(packages) is None
    assert packages.look(100 * LATER) == [Installed("ibis", None, "1.0", is_loaded=True)]
