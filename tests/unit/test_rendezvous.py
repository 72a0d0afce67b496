"""Which processes are workers of the same server, and what happens if none can coordinate."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from transfuse.config.settings import read_settings
from transfuse.workers import rendezvous
from transfuse.workers.rendezvous import Rendezvous

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    # The process that runs the tests is its own parent.
    monkeypatch.setattr(os, "getppid", os.getpid)


def place(root: Path, **settings: Any) -> Path | None:
    found = rendezvous.ours(read_settings(roots=[root], **settings))
    return None if found is None else found.folder


def test_who_sees_the_same_files_meets(tmp_path: Path) -> None:
    together = place(tmp_path)
    assert together == place(tmp_path, keep=9, drain=1.0)
    apart: list[dict[str, Any]] = [
        {"exclude": ["*.txt"]},
        {"include": ["*.py"]},
        {"gitignore": False},
        {"watch": False},
    ]
    assert len({together, *(place(tmp_path, **each) for each in apart)}) == 5


def test_a_parent_of_another_user_is_known_by_what_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not say which file it runs."""

    def readlink(path: str) -> str:
        raise PermissionError(path)

    monkeypatch.setattr(os, "readlink", readlink)
    assert place(tmp_path) is not None
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert place(tmp_path) is None


def test_a_chair_without_a_socket_is_nobodys(tmp_path: Path) -> None:
    """A worker that cannot listen must not keep the others from it."""
    (tmp_path / "0.sock").mkdir()
    place = Rendezvous(tmp_path)
    with pytest.raises(OSError, match=r"0\.sock"):
        place.take(0)
    (tmp_path / "0.sock").rmdir()
    taken = place.take(0)
    assert taken is not None
    lock, listener, before = taken
    with listener, socket.socket(socket.AF_UNIX) as other:
        other.connect(str(tmp_path / "0.sock"))
        assert not before
        assert place.take(0) is None
    os.close(lock)
