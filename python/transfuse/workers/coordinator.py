"""The coordinator: receives the messages of all workers, and tells them when to publish.

It is a thread in one of the workers. `commit` makes the decisions; this file has the connections,
and drops workers that have been silent for too long.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import time
from transfuse.errors import TransfuseError
from transfuse.updates import trial
from transfuse.updates.waiting import held_back, waiting
from transfuse.workers import rendezvous
from transfuse.workers.commit import CommitCoordinator
from transfuse.workers.protocol import BEAT, SILENCE, MessageStream, packed
from transfuse.workers.trial_counts import TrialCounts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from transfuse.workers.commit import Order
    from transfuse.workers.protocol import Said
    from transfuse.workers.rendezvous import Rendezvous

_log = get_logger("transfuse.workers")

# How long a new coordinator lets the workers of the former one find it, in seconds.
_GRACE = 0.3


class Coordinator:
    """The coordinator, in a daemon thread from the moment it is made.

    Args:
        place: where the workers meet.
        number: of this coordinator.
        lock: as `Rendezvous.take` returns it.
        listener: where workers connect.
        after: whether there was a coordinator before.
    """

    def __init__(
        self, place: Rendezvous, number: int, lock: int, listener: socket.socket, after: bool
    ) -> None:
        self._rendezvous = place
        self._number = number
        self._lock: int | None = lock
        self._listener = listener
        # Whether this process leaves the other workers.
        self._given_up = False
        # From here on: that thread's.
        self._commit = CommitCoordinator(waits=after)
        self._begins = time.monotonic() + _GRACE
        # By the number of the connection: its stream, the time of its last message, its process.
        self._streams: dict[int, MessageStream] = {}
        self._heard: dict[int, float] = {}
        self._pids: dict[int, int] = {}
        # When each connection was made, until its worker joins.
        self._strangers: dict[int, float] = {}
        # When each worker published the served view, by the system's one clock.
        self._switched: list[float] = []
        self._requests = TrialCounts()
        self._selector = native.selectors.DefaultSelector()
        # The messages of a worker in a vote, and their handlers.
        self._vote: dict[str, Callable[[int, Said], list[Order]]] = {
            "staged": lambda it, said: self._commit.prepared(
                it, said["view"], said["contents"], **said["change"]
            ),
            "fails": self._fails,
            "finds nothing": lambda it, _: self._commit.finds_nothing(it),
            "serves": self._serves,
            "counts": self._count,
            "confirms": self._confirms,
        }
        self._thread = native.thread(target=self._run, name="transfuse-coordinator", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give up being the coordinator, and wait for that."""
        self._given_up = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(native.socket.SHUT_RDWR)
        self._thread.join(SILENCE)

    def drop(self) -> None:
        """Close the descriptors that a forked child has inherited."""
        self._listener.close()
        for stream in self._streams.values():
            stream.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _run(self) -> None:
        self._selector.register(self._listener, native.selectors.EVENT_READ)
        beat = 0.0
        try:
            # Workers that it did not answer for long have another coordinator by now.
            while self._rendezvous.folder.exists() and self._rendezvous.number() == self._number:
                for key, _ in self._selector.select(0.1 if self._commit.waits else BEAT / 2):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._read(key.fd)
                now = time.monotonic()
                if self._commit.waits and now > self._begins:
                    self._tell(self._commit.begins())
                if now - beat > BEAT:
                    beat = now
                    # With the processes that are waited for, for the log of those that wait.
                    order = {"do": "nothing", "for": self._waited_for()}
                    self._tell((number, order) for number in list(self._commit.workers))
                    self._drop_silent(now)
        except OSError as error:
            # The workers look for another, and make one where this process cannot have it.
            if not self._given_up:
                _log.warning("process %d stops coordinating the workers: %s", os.getpid(), error)
        finally:
            self.drop()

    def _waited_for(self) -> list[int]:
        """Return the processes that have not staged the view that others have."""
        return [self._pids[number] for number in self._commit.missing() if number in self._pids]

    def _accept(self) -> None:
        end, _ = self._listener.accept()
        try:
            is_worker = rendezvous.is_worker(end)
        except OSError:
            is_worker = False
        if not is_worker:
            end.close()
            return
        stream = MessageStream(end)
        number = stream.fileno()
        self._streams[number] = stream
        self._heard[number] = self._strangers[number] = time.monotonic()
        self._selector.register(end, native.selectors.EVENT_READ)

    def _read(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        try:
            messages = stream.receive(0.0)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError):
                _log.warning("a connection of %s was closed: %s", self._named(number), error)
            messages = None
        if messages is None:
            self._lose(number)
            return
        self._heard[number] = time.monotonic()
        for said in messages:
            try:
                orders = self._take(number, said)
            except Exception:
                # A program of this user that is no worker must not end the coordinator.
                _log.warning("%s sent nonsense", self._named(number), exc_info=True)
                self._lose(number)
                return
            self._tell(orders)

    def _named(self, number: int) -> str:
        pid = self._pids.get(number)
        return "a program that is no worker" if pid is None else f"process {pid}"

    def _take(self, number: int, said: Said) -> list[Order]:
        commit, what = self._commit, said.get("say")
        if what == "joins":
            self._strangers.pop(number, None)
            self._pids[number] = said["pid"]
            orders = commit.joins(
                number,
                said["view"],
                said["generation"],
                said["staged"],
                said["contents"],
                serves=said["others"],
                source=said["source"],
                **said["change"],
            )
            return [*orders, *self._of_trials(number, said["on_trial"])]
        if what == "contents?":
            generation, _ = _core.view()
            order = {"do": "take", "generation": generation, **_contents()}
            return [(number, {**order, "waiting": held_back(), "restart": waiting()})]
        if number in commit.workers and what in self._vote:
            return self._vote[what](number, said)
        return []

    def _fails(self, number: int, said: Said) -> list[Order]:
        return self._commit.fails(number, f"process {self._pids[number]}: {said['why']}")

    def _count(self, number: int, said: Said) -> list[Order]:
        found = self._requests.add(number, said, self._commit.served)
        if found is None:
            return []
        generation, why = found
        return self._all({"do": "go back", "key": said["key"], "round": generation, "why": why})

    def _confirms(self, number: int, said: Said) -> list[Order]:  # noqa: ARG002
        return self._all({"do": "trial over", "key": said["key"], "how": "confirmed"})

    def _of_trials(self, number: int, key: str | None) -> list[Order]:
        """Tell a worker that joins what is on trial, or that its trial is over."""
        how = None if key is None else trial.how_it_ended(key)
        if key is not None and how is not None:
            return [(number, {"do": "trial over", "key": key, "how": how})]
        told = trial.told()
        return [] if told is None else [(number, {"do": "trial", **told})]

    def _all(self, order: dict[str, Any]) -> list[Order]:
        return [(number, order) for number in self._commit.workers]

    def _serves(self, number: int, said: Said) -> list[Order]:
        orders = self._commit.serves(
            number, said["view"], said["generation"], said["others"], said["source"]
        )
        if said["view"] == self._commit.served and said["since"] is not None:
            self._switched.append(said["since"])
            if len(self._switched) == len(self._commit.workers) > 1:
                apart = (max(self._switched) - min(self._switched)) * 1000
                _log.info(
                    "%d workers switched to generation %d within %.1f ms",
                    len(self._switched),
                    self._commit.generation,
                    apart,
                )
        return orders

    def _tell(self, orders: Iterable[Order]) -> None:
        for number, order in orders:
            stream = self._streams.get(number)
            if stream is None:
                continue
            if order["do"] == "publish":
                self._switched.clear()
            try:
                more = _contents() if order["do"] == "catch up" else {}
                stream.send(**order, **more)
            except OSError:
                self._lose(number)

    def _drop_silent(self, now: float) -> None:
        for number, heard in list(self._heard.items()):
            if now - heard > SILENCE:
                pid = self._pids.get(number)
                if pid is not None:
                    _log.warning("process %s does not answer; the others go on without it", pid)
                self._lose(number)
        for number, since in list(self._strangers.items()):
            if now - since > SILENCE:
                self._lose(number)

    def _lose(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        self._selector.unregister(stream.socket)
        stream.close()
        self._heard.pop(number, None)
        self._pids.pop(number, None)
        self._strangers.pop(number, None)
        self._requests.forget(number)
        self._tell(self._commit.leaves(number))


def _contents() -> dict[str, Any]:
    """Return the served contents of files that differ on disk, and which of these are set aside."""
    try:
        contents = packed(_core.differing(wanted=False))
        return {"contents": contents, "aside": [os.fspath(path) for path in _core.set_aside()]}
    except TransfuseError:
        return {"contents": {}, "aside": []}
