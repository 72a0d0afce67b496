"""How does a worker find the coordinator, become it, or reconnect after an error?

A `Connection` has a thread that receives the coordinator's orders, and starts a coordinator if
there is none. It knows nothing of updates: the worker that has it says what it is at, and obeys.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import threading, time
from transfuse.errors import NotInstalledError
from transfuse.workers import rendezvous
from transfuse.workers.coordinator import Coordinator
from transfuse.workers.protocol import BEAT, SILENCE, MessageStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.config.settings import Settings
    from transfuse.workers.protocol import Said
    from transfuse.workers.rendezvous import Rendezvous

_log = get_logger("transfuse.workers")

# The pause before the next attempt to meet the others, in seconds. It doubles after each failure,
# up to the second value.
_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
# After so many failures in a row the worker waits for no other.
_CUT_OFF = 2


class Connection:
    """The connection of one worker with the others.

    Args:
        place: where they meet.
        settings: the live files.
        state: returns what the worker is at, for the message ``joins``; called with `news` held.
        obey: carries out an order, in the receiving thread.

    Attributes:
        news: guards the fields below and all that the worker shares between threads. Notified when
            one of them changes.
        stream: to the coordinator; None while there is none.
        over: whether the worker has left.
        cut_off: whether the others cannot be met for the moment.
    """

    def __init__(
        self,
        place: Rendezvous,
        settings: Settings,
        state: Callable[[], dict[str, Any]],
        obey: Callable[[Said], None],
    ) -> None:
        self._settings = settings
        # Replaced when its folder is gone. Belongs to the receiving thread.
        self._rendezvous = place
        self._state = state
        self._obey = obey
        self._coordinator: Coordinator | None = None
        self.news = threading.Condition()
        self.stream: MessageStream | None = None
        self.over = False
        self.cut_off = False
        self._thread = native.thread(target=self._run, name="transfuse-workers", daemon=True)

    @property
    def place(self) -> str:
        """The folder where the workers meet; the same for all of them."""
        return str(self._rendezvous.folder)

    def begin(self) -> None:
        """Meet the others from now on."""
        self._thread.start()

    def end(self) -> None:
        """Leave the others."""
        with self.news:
            self.over = True
            self.news.notify_all()
            stream = self.stream
        if stream is not None:
            stream.wake()
        self._thread.join(SILENCE)
        if self._coordinator is not None:
            self._coordinator.end()
        self._rendezvous.close()

    def drop(self) -> None:
        """Close the connections that a forked child has inherited."""
        if self.stream is not None:
            self.stream.close()
        if self._coordinator is not None:
            self._coordinator.drop()
        self._rendezvous.close()

    def say(self, **words: Any) -> None:
        """Send a message, if there is a coordinator."""
        stream = self.stream
        if stream is not None:
            # A worker that cannot send this reports it again when it joins anew.
            with contextlib.suppress(OSError):
                stream.send(**words)

    def rest(self, seconds: float) -> None:
        """Wait so long, or until the worker leaves."""
        with self.news:
            self.news.wait_for(lambda: self.over, seconds)

    def _run(self) -> None:
        failures, has_met = 0, False
        while not self.over:
            try:
                has_met |= self._meet(has_met)
                failures, self.cut_off = 0, False
            except NotInstalledError:
                # `uninstall` ends the core before this process leaves the others.
                return
            except (OSError, AttributeError) as error:
                # The folder is removed or full, there are no file descriptors left, or the path is
                # too long for a socket. A new rendezvous may work; after a change of user it is
                # another folder.
                with contextlib.suppress(OSError, AttributeError):
                    former, self._rendezvous = self._rendezvous, self._anew()
                    former.close()
                failures += 1
                if failures == _CUT_OFF:
                    self.cut_off = True
                    _log.warning(
                        "the other workers of this server cannot be met in %s: %s; this one"
                        " switches alone, and tries again",
                        self._rendezvous.folder,
                        error,
                    )
                self.rest(min(_PAUSE * 2**failures, _LONGEST_PAUSE))

    def _anew(self) -> Rendezvous:
        # Without the parent that started it, a worker still knows where the others are.
        return rendezvous.ours(self._settings) or rendezvous.kept(self._rendezvous.folder)

    def _meet(self, has_met: bool) -> bool:
        """Find the coordinator, or become it, once; talk to it. Return whether it was there."""
        number = self._rendezvous.number()
        end = self._rendezvous.connect(number)
        if end is None:
            taken = self._rendezvous.take(number)
            if taken is not None:
                lock, listener, before = taken
                self._coordinator = Coordinator(
                    self._rendezvous, number, lock, listener, before or has_met
                )
            else:
                self.rest(0.02)
            return False
        stream = MessageStream(end)
        try:
            silent = self._converse(stream)
        except (OSError, ValueError):
            silent = False
        finally:
            with self.news:
                self.stream = None
            stream.close()
        if silent:
            self._rendezvous.distrust(number)
        return True

    def _converse(self, stream: MessageStream) -> bool:
        """Talk until the end; return whether the coordinator has fallen silent."""
        with self.news:
            said = self._state()
        stream.send(say="joins", **said, pid=os.getpid())
        with self.news:
            # From here on other threads send: a message before `joins` is not understood.
            self.stream = stream
            since = self._state()
        if since != said:
            stream.send(say="joins", **since, pid=os.getpid())
        heard = beat = time.monotonic()
        while not self.over:
            messages = stream.receive(BEAT / 2)
            now = time.monotonic()
            if messages is None:
                return False
            if messages:
                heard = now
            elif now - heard > SILENCE:
                return True
            if now - beat > BEAT:
                beat = now
                stream.send(say="here")
            for message in messages:
                self._obey(message)
        return False
