"""Sockets in folders whose paths are longer than an address."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from transfuse.runtime import long_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such way")


@pytest.fixture(params=[1, 99, 100, 101, 107, 108, 150, 1000])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A path of at least so many bytes."""
    folder = str(tmp_path)
    while (missing := request.param - len(folder) - len("/0.sock")) > 1:
        folder += "/" + "f" * min(missing - 1, 200)
    os.makedirs(folder, exist_ok=True)
    return f"{folder}/0.sock"


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_both_ends_find_the_same_file(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as end:
        before = open_descriptors()
        long_path.bind(listener, path)
        listener.listen()
        assert os.path.exists(path)
        long_path.connect(end, path)
        # Objects of earlier tests may close theirs meanwhile.
        assert open_descriptors() <= before
        with listener.accept()[0] as other:
            other.sendall(b"x")
            assert end.recv(1) == b"x"


def test_errors_are_those_of_the_path(path: str) -> None:
    before = open_descriptors()
    with socket.socket(socket.AF_UNIX) as end:
        with pytest.raises(FileNotFoundError):
            long_path.connect(end, path)
        with pytest.raises(FileNotFoundError):
            long_path.bind(end, os.path.join(os.path.dirname(path), "absent", "0.sock"))
        long_path.bind(end, path)
    with socket.socket(socket.AF_UNIX) as end:
        with pytest.raises(OSError, match="in use"):
            long_path.bind(end, path)
        with pytest.raises(ConnectionRefusedError):
            long_path.connect(end, path)
    assert open_descriptors() <= before
