"""How a process stops accepting, and finds out that nothing is left to do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from transfuse.handover.retirement import Retirement, stop_accepting

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP = 20.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(CAP)
        yield listener


def test_what_waits_to_be_accepted_is_there_for_others(listener: socket.socket) -> None:
    """Each process has a descriptor of its own for the one socket."""
    with listener.dup() as another, socket.create_connection(listener.getsockname()) as waiting:
        another.settimeout(CAP)
        stop_accepting(listener.fileno())
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        accepted, _ = another.accept()
        with accepted:
            accepted.sendall(b"here")
            assert waiting.recv(4) == b"here"


def test_it_ends_with_the_last_connection(listener: socket.socket) -> None:
    retirement = Retirement(listener.fileno())
    assert retirement.connections() == 0
    with socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        # That of the client, at another port, does not count, nor does the listening one.
        assert retirement.connections() == 1
        # Once it accepts no more, the connection is still counted.
        with listener.dup():
            stop_accepting(listener.fileno())
            assert retirement.connections() == 1
        accepted.close()
        assert retirement.connections() == 0
    ended: list[bool] = []
    retirement.run(lambda: ended.append(True))
    assert ended == [True]


def test_it_does_not_end_before_the_command_line_has_its_answer(listener: socket.socket) -> None:
    looks = iter([True] * 15)
    retirement = Retirement(listener.fileno(), is_asked=lambda: next(looks, False))
    retirement.run(lambda: None)
    assert next(looks, None) is None
