"""Programs of the same user that connect where the workers meet and send nonsense end nothing.

The coordinator is a thread of one worker: it must outlive whatever arrives.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import CAP
from transfuse.runtime import peer
from transfuse.runtime.peer import Peer
from transfuse.workers import coordinator, protocol
from transfuse.workers.coordinator import Coordinator
from transfuse.workers.forms import parsed
from transfuse.workers.protocol import MessageStream
from transfuse.workers.rendezvous import Rendezvous

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LiveTree

JOINS: dict[str, Any] = {
    "say": "joins",
    "view": "v",
    "generation": 1,
    "others": {},
    "source": "v",
    "staged": None,
    "contents": None,
    "change": {"paths": [], "back": None},
    "on_trial": None,
    "pid": 1,
}
SENSELESS: list[Any] = [
    None,
    [],
    "joins",
    {},
    {"say": None},
    {"say": []},
    {"say": "joins"},
    {**JOINS, "generation": "1"},
    {**JOINS, "generation": -1},
    {**JOINS, "generation": 1 << 70},
    {**JOINS, "pid": None},
    {**JOINS, "view": []},
    {**JOINS, "contents": {"/srv/shop.py": 3}},
    {**JOINS, "others": {"/srv/page.html": 3}},
    {**JOINS, "change": {"paths": [], "back": None, "others": ["/srv/page.html"]}},
    {"say": "staged", "view": {}, "contents": None},
    {"say": "staged"},
    {"say": "serves", "view": "v"},
    {"say": "fails"},
    {"do": "publish"},
    {"do": "stage"},
]


class Meeting:
    """A coordinator, and the folder in which it is met."""

    def __init__(self, folder: Path) -> None:
        self.place = Rendezvous(folder)
        taken = self.place.take(0)
        assert taken is not None
        lock, listener, _ = taken
        self.coordinator = Coordinator(self.place, 0, lock, listener, after=False)
        self.lock = folder / "0.lock"

    def connect(self) -> socket.socket:
        end = self.place.connect(0)
        assert end is not None
        end.settimeout(CAP)
        return end

    def send(self, text: bytes) -> None:
        """Send bytes, and end the connection."""
        with self.connect() as end:
            try:
                end.sendall(text)
                end.shutdown(socket.SHUT_WR)
                # Until it has read all, and closed.
                while end.recv(1 << 16):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass

    def coordinates(self) -> bool:
        """Whether a worker that asks is answered."""
        stream = MessageStream(self.connect())
        try:
            stream.send(say="contents?")
            deadline = time.monotonic() + CAP
            while time.monotonic() < deadline:
                for said in stream.receive(1.0) or ():
                    if said["do"] == "take":
                        return True
        finally:
            stream.close()
        return False


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    meeting = Meeting(tmp_path_factory.mktemp("meet"))
    yield meeting
    meeting.coordinator.end()


@pytest.fixture(autouse=True)
def _installed(tree: LiveTree) -> None:
    tree.write({"shop.py": "VALUE = 1\n"})
    tree.install()


@pytest.mark.parametrize("message", SENSELESS, ids=range(len(SENSELESS)))
def test_senseless_messages_end_a_connection_only(meeting: Meeting, message: Any) -> None:
    meeting.send(json.dumps(message).encode() + b"\n")
    assert meeting.coordinates()


@pytest.mark.parametrize(
    "text",
    [b"\n", b"{", b"[" * 100_000 + b"\n", b"9" * 100_000 + b"\n", b"\xff\n", b"\0" * 100_000],
    ids=range(6),
)
def test_bytes_that_are_no_message(meeting: Meeting, text: bytes) -> None:
    meeting.send(text)
    assert meeting.coordinates()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=2000), ends=st.booleans())
def test_random_bytes(meeting: Meeting, text: bytes, ends: bool) -> None:
    meeting.send(text + (b"\n" if ends else b""))
    assert meeting.coordinates()


WORDS = st.sampled_from(
    ["joins", "staged", "fails", "finds nothing", "serves", "here", "contents?", "else"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["view", "generation", "staged", "contents", "pid", "why", "since", "others", "change"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(WORDS, st.dictionaries(FIELDS, VALUES)), max_size=4))
def test_words_with_any_fields(meeting: Meeting, said: list[tuple[str, dict[str, Any]]]) -> None:
    """After a proper `joins`, because what does not join is not heard."""
    messages = [JOINS, *({"say": word, **fields} for word, fields in said)]
    meeting.send(b"".join(json.dumps(each).encode() + b"\n" for each in messages))
    assert meeting.coordinates()


def test_a_line_that_does_not_end_has_a_limit(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LONGEST", 100_000)
    with meeting.connect() as end, pytest.raises(OSError, match=r"Broken pipe|reset"):
        send_for_ever(end)
    assert meeting.coordinates()


def send_for_ever(end: socket.socket) -> None:
    while True:
        end.sendall(b"x" * 65536)


def test_a_connection_that_does_not_join_is_closed_after_a_while(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "SILENCE", 0.1)
    ended = threading.Event()

    def trickle(end: socket.socket) -> None:
        try:
            while not ended.wait(0.02):
                end.sendall(b" ")
        except OSError:
            ended.set()

    with meeting.connect() as end:
        thread = threading.Thread(target=trickle, args=(end,))
        thread.start()
        assert ended.wait(CAP), "it is still connected"
        thread.join(CAP)


def test_many_random_connections_at_once(meeting: Meeting) -> None:
    rng = random.Random(17)
    ends = [meeting.connect() for _ in range(50)]
    try:
        for end in ends:
            end.sendall(rng.randbytes(rng.choice([0, 1, 100, 5000])))
        assert meeting.coordinates()
    finally:
        for end in ends:
            end.close()
    assert meeting.coordinates()


def test_what_a_coordinator_tells_is_checked_as_well() -> None:
    """A program that listens in its place must not end the worker's thread."""
    orders: list[dict[str, Any]] = [
        {"do": "stage", "view": "v", "generation": "x"},
        {"do": "nothing"},
        {"do": []},
    ]
    for order in orders:
        with pytest.raises(ValueError, match="message"):
            parsed(json.dumps(order).encode())
    # Words of a later release are left alone.
    assert parsed(b'{"do": "dance", "with": 1}') == {"do": "dance", "with": 1}


@pytest.mark.parametrize("other", [Peer(4242, 65534), Peer(0, peer.own())], ids=["user", "unseen"])
def test_messages_of_other_users_and_containers_are_not_read(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch, other: Peer
) -> None:
    monkeypatch.setattr(peer, "peer_of", lambda _: other)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.settimeout(CAP)
        end.connect(str(meeting.place.folder / "0.sock"))
        with contextlib.suppress(BrokenPipeError):
            end.sendall(b'{"say": "contents?"}\n')
        with contextlib.suppress(ConnectionResetError):
            assert end.recv(1) == b""
    # Nor does a worker talk to a coordinator that is one of those.
    assert meeting.place.connect(0) is None
    monkeypatch.undo()
    assert meeting.coordinates()


def test_the_lock_is_still_held(meeting: Meeting) -> None:
    assert Rendezvous(meeting.lock.parent).take(0) is None
    assert os.path.exists(meeting.lock)
