"""What do the scenes stand on? Server, source and load, and measuring from save to served."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING

from demo.client import Answer, Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.files import Change, Source
    from demo.load import LoadProcess
    from demo.server import Server, Update

# An edit that is not served after so many seconds is never served.
CAP = 20.0


class NotReached(Exception):
    """The expected effect of an edit did not appear."""


@dataclass(frozen=True)
class Saved:
    """An edit that is served.

    Attributes:
        what: the edit, such as ``"changed body"``.
        seconds: from the moment before the write to the first answer that shows it.
        writing: what of that the write itself took, which is up to the disk.
        number: its number among the server's updates, from 0.
    """

    what: str
    seconds: float
    writing: float
    number: int


class Stage:
    """Edits the source, and waits until the server shows the edit.

    Attributes:
        source: the files.
        saved: the edits that are served.
        asked: how many answers were looked at here.
        mixed: what of them was mixed.
    """

    def __init__(self, server: Server, source: Source, load: LoadProcess) -> None:
        self.source = source
        self.saved: list[Saved] = []
        self.asked = 0
        self.mixed: list[str] = []
        self._server = server
        self._load = load
        self._client = Client(server.port)
        # How many updates the server has told of, or is about to tell of.
        self._updates = 0

    def ask(self, path: str) -> Answer:
        """Ask the server; the answer must be whole, like all others."""
        try:
            answer = self._client.get(path)
        except (OSError, HTTPException) as error:
            raise NotReached(f"{path}: {type(error).__name__}: {error}") from error
        self.asked += 1
        if answer.status == 200:
            self.mixed += [f"{path}: {what}" for what in answer.mixed()]
        return answer

    def edit(
        self,
        what: str,
        changes: dict[str, list[Change]],
        path: str,
        seen: Callable[[Answer], bool],
    ) -> Answer:
        """Save changes, ask until they are seen, and note how long that took.

        Args:
            what: the edit, in words.
            changes: module to its changes.
            path: what to ask.
            seen: whether an answer shows the changes.

        Returns:
            The first answer that shows them.

        Raises:
            NotReached: none did, or the server did not tell of one update.
        """
        texts = {name: self.source.edited(name, *each) for name, each in changes.items()}
        began = time.perf_counter()
        self.source.save(texts)
        written = time.perf_counter()
        answer = self.ask(path)
        while not seen(answer):
            if time.perf_counter() - began > CAP:
                raise NotReached(f"{what}: not served after {CAP} s; {path} says {answer}")
            answer = self.ask(path)
        served = time.perf_counter()
        self.saved.append(Saved(what, served - began, written - began, self._updates))
        self.next_update(what, refused=False)
        return answer

    def next_update(self, what: str, *, refused: bool) -> Update:
        """Wait until the server tells of its next update; NotReached if it is not as expected."""
        update = self._server.wait_for_update(self._updates, CAP)
        if update is None:
            raise NotReached(f"{what}: the server told of no update")
        self._updates += 1
        if update.refused != refused:
            raise NotReached(f"{what}: {update.line}")
        return update

    def hand_over(self) -> None:
        """Have fresh processes take over, under the load; NotReached if they do not."""
        # An idle connection is what the former process waits for.
        self._client.close()
        told = self._server.hand_over(CAP)
        if not told.startswith("handed over to "):
            raise NotReached(f"no fresh processes: {told}")

    def roll_back(self, what: str, path: str, seen: Callable[[Answer], bool]) -> None:
        """Take the last edit back, under the load; NotReached if an answer does not show that.

        Args:
            what: what is to be seen, in words.
            path: what to ask.
            seen: whether an answer shows it.
        """
        version = self.ask(path).version
        # An edit of one module raises one edition by one.
        self._load.may_go_back(version, version - 1)
        told = self._server.roll_back(CAP)
        if not self._server.rollbacks:
            raise NotReached(f"{what}: {told}")
        self.wait_until(what, path, seen)
        self.expect("the version", version - 1, self.ask(path).version)

    def may_be_gone(self, path: str) -> None:
        """Say, before a route is deleted, that it may be gone from now on."""
        self._load.may_be_gone(path)

    def meanwhile(self, path: str) -> Callable[[], Answer]:
        """Ask for what takes long, in a thread; return how to wait for its answer."""
        found: list[Answer] = []

        def work() -> None:
            client = Client(self._server.port)
            found.append(client.get(path))
            client.close()

        thread = threading.Thread(target=work, name=path, daemon=True)
        thread.start()

        def join() -> Answer:
            thread.join(CAP)
            if not found:
                raise NotReached(f"{path}: not answered after {CAP} s")
            self.asked += 1
            self.mixed += [f"{path}: {what}" for what in found[0].mixed()]
            return found[0]

        return join

    def wait_until(self, what: str, path: str, seen: Callable[[Answer], bool]) -> None:
        """Send requests until a condition holds; NotReached if it never does."""
        deadline = time.monotonic() + CAP
        while not seen(self.ask(path)):
            if time.monotonic() > deadline:
                raise NotReached(f"{what}: not seen after {CAP} s")

    def expect(self, what: str, expected: object, actual: object) -> None:
        """Raise NotReached unless both are equal."""
        if expected != actual:
            raise NotReached(f"{what}: expected {expected!r}, got {actual!r}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
