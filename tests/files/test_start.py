"""What a start says of the folders that it makes live."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from transfuse.process import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LiveTree


@pytest.fixture(autouse=True)
def _in_a_new_folder(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tree.root)
    yield
    transfuse.uninstall()


def test_p14_without_a_project_the_working_directory_is_named(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    transfuse.install(watch=False)
    assert f"all source in {tree.root} is live" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("how", ["project", "roots", "environment"])
def test_what_was_named_is_not_told(
    tree: LiveTree,
    how: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "project":
        tree.write({"pyproject.toml": "[project]\nname = 'shop'\n"})
    if how == "environment":
        monkeypatch.setenv("TRANSFUSE_ROOTS", str(tree.root))
    transfuse.install(roots=[tree.root] if how == "roots" else None, watch=False)
    assert "is live" not in caplog.text


def test_p14_a_start_that_takes_long_says_so(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = threading.Event()
    told: list[str] = []

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            said.set()

    core = install._install_core

    def slow(*arguments: Any) -> None:
        assert said.wait(CAP), "it was not said"
        core(*arguments)

    handler = Told(logging.WARNING)
    logging.getLogger("transfuse").addHandler(handler)
    monkeypatch.setattr(install, "_LONG", 0.01)
    monkeypatch.setattr(install, "_install_core", slow)
    try:
        transfuse.install(roots=[tree.root], watch=False)
    finally:
        logging.getLogger("transfuse").removeHandler(handler)
    assert f"still reading the files in {tree.root}" in told[0]


def test_a_link_to_everything_is_no_part_of_the_root(tree: LiveTree, tmp_path: Path) -> None:
    tree.write({"web.py": "V = 1\n"})
    for name, target in {"all": "/", "usr": "/usr", "up": ".."}.items():
        (tree.root / name).symlink_to(target)
    (tmp_path / "beside.py").write_text("")
    transfuse.install(roots=[tree.root], watch=False)
    assert tree.module("web").V == 1
    assert tree.published({"web.py": "V = 2\n"}).changed[0].path.endswith("web.py")
