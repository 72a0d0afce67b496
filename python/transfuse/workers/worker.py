"""What does each worker do to switch together with the others?

A `Worker` has a thread that receives the coordinator's orders and starts a coordinator if there is
none. It takes part in updates: between staging and publishing, the updating thread waits here for
the decision. Without a coordinator a worker goes on alone: serving matters more than switching at
one instant.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import threading, time
from transfuse.errors import Outdated, TransfuseError, WorkerRefused
from transfuse.source.tracebacks import headline
from transfuse.updates import participants, trial
from transfuse.updates.api import on_update
from transfuse.workers import rendezvous
from transfuse.workers.coordinator import Coordinator
from transfuse.workers.protocol import BEAT, SILENCE, MessageStream, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.config.settings import Settings
    from transfuse.updates.error_rates import Counts
    from transfuse.updates.reports import Report
    from transfuse.workers.protocol import Said
    from transfuse.workers.rendezvous import Rendezvous

_log = get_logger("transfuse.workers")

# The longest that a worker which has staged waits for a coordinator, in seconds.
_ALONE = 3 * SILENCE
# The pause before the next attempt to meet the others, or to catch up, in seconds. It doubles after
# each failure, up to the second value.
_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
# After so many failures in a row the worker waits for no other.
_CUT_OFF = 2
# After how many seconds of waiting for others a line is logged.
_LONG = 10.0


class Worker:
    """This process among the workers of its server.

    Args:
        place: where they meet.
        settings: the live files, and how long the others may take to stage them.
    """

    order = 50
    what = "the other workers"

    def __init__(self, place: Rendezvous, settings: Settings) -> None:
        self._settings = settings
        # Replaced when its folder is gone. Belongs to the receiving thread.
        self._rendezvous = place
        self._limit = settings.time_limit + _ALONE
        generation, self._at = _core.view()
        self._generation = generation
        # When that was published, by `time.monotonic`; None if it was loaded so.
        self._since: float | None = None
        # Guards all that the two threads share: the fields below.
        self._news = threading.Condition()
        self._stream: MessageStream | None = None
        # The staged view that waits for the decision; None if none does.
        self._waiting: str | None = None
        self._contents: dict[str, Any] | None = None
        # The parts of the update that the others need to stage the same.
        self._change: dict[str, Any] = {"paths": [], "back": None}
        self._word: Said | None = None
        # The processes that the others wait for, by the coordinator's last message.
        self._missing: list[int] = []
        # The last order to catch up.
        self._behind: Said | None = None
        self._over = False
        # Whether the others cannot be met for the moment.
        self._cut_off = False
        self._coordinator: Coordinator | None = None
        self._unsubscribe = on_update(self._heard_of)
        participants.register(self)
        trial.share_with(self)
        self._thread = native.thread(target=self._run, name="transfuse-workers", daemon=True)
        self._thread.start()

    @property
    def place(self) -> str:
        """The folder where it meets the others; the same for all of them."""
        return str(self._rendezvous.folder)

    def end(self) -> None:
        """Leave the others."""
        self._unsubscribe()
        participants.unregister(self)
        trial.share_with(None)
        with self._news:
            self._over = True
            self._news.notify_all()
            stream = self._stream
        if stream is not None:
            stream.wake()
        self._thread.join(SILENCE)
        if self._coordinator is not None:
            self._coordinator.end()
        self._rendezvous.close()

    def drop(self) -> None:
        """Close the connections that a forked child has inherited."""
        if self._stream is not None:
            self._stream.close()
        if self._coordinator is not None:
            self._coordinator.drop()
        self._rendezvous.close()

    # Taking part in updates: the updating thread.

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Wait until all have staged.

        Raises:
            WorkerRefused: one of the others could not, or did not in time; or the trial that a
                rollback ends is over.
            Outdated: the others have found later files.
        """
        view = _core.wanted_view()
        contents = None if on_disk else packed(_core.differing(wanted=True))
        paths, back = _core.wanted_changes()
        change: dict[str, Any] = {
            "paths": [os.fspath(path) for path in paths],
            "back": back,
            "trial": trial.wanted(),
            "ends": trial.reason(),
        }
        self._refuse_late(change["ends"])
        with self._news:
            self._waiting, self._contents, self._word = view, contents, None
            self._change = change
        self._say(say="staged", view=view, contents=contents, change=change)
        word = self._await_word()
        if word["do"] == "refuse":
            raise WorkerRefused(f"another worker could not load it: {word['why']}")
        if word["do"] == "look again":
            if "view" in word:
                self._start(self._stage, word)
            else:
                self._start(_core.update)
            raise Outdated("another worker has found later files")
        trial.agree(word.get("trial") or trial.wanted())

    def _refuse_late(self, ends: dict[str, str] | None) -> None:
        """Refuse a rollback that ends a trial which is over in the others."""
        how = None if ends is None else trial.how_it_ended(ends["key"])
        if how is not None:
            raise WorkerRefused(f"the trial is over: {how}")

    def published(self, generation: int) -> None:
        """Tell the others."""
        with self._news:
            self._since = time.monotonic()
            self._at, self._waiting = self._waiting or self._at, None
            self._generation = generation
            # An order to catch up is for an older view, or for this one.
            self._behind = None
        self._tell_what_is_served()

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """Nothing waits any more."""
        with self._news:
            given_up = self._waiting is not None and self._word is None
            self._waiting = None
        if given_up:
            self._say(say="fails", why="something newer was saved meanwhile")

    def _await_word(self) -> Said:
        began = unheard = time.monotonic()
        told = False
        with self._news:
            while self._word is None and not self._over and not self._cut_off:
                self._news.wait(BEAT)
                now = time.monotonic()
                if self._stream is not None:
                    unheard = now
                if now - unheard > _ALONE:
                    _log.warning("no other worker can be reached; this one goes on alone")
                    break
                if now - began > _LONG and not told and self._missing:
                    told = True
                    _log.info("staged; waiting for %s", _processes(self._missing))
                if now - began > self._limit:
                    others = _processes(self._missing) if self._missing else "the coordinator"
                    return {"do": "refuse", "why": f"no answer from {others} within the time limit"}
            return self._word or {"do": "publish"}

    def _heard_of(self, report: Report) -> None:
        error = report.error
        if report.outcome == "refused" and not isinstance(error, WorkerRefused):
            self._say(say="fails", why="" if error is None else headline(error))

    # Trials: any thread.

    def say_counts(self, key: str, generation: int, old: Counts, new: Counts) -> None:
        """Tell how many requests have begun, were answered, and failed in this process."""
        with self._news:
            view = self._at
        self._say(say="counts", key=key, round=generation, view=view, old=old, new=new)

    def say_confirmed(self, key: str) -> None:
        """Tell that a trial was confirmed here."""
        self._say(say="confirms", key=key)

    # The coordinator's orders: a thread of its own.

    def _run(self) -> None:
        failures, has_met = 0, False
        while not self._over:
            try:
                has_met |= self._meet(has_met)
                failures, self._cut_off = 0, False
            except (OSError, AttributeError) as error:
                # The folder is gone or full, there are no descriptors left, or its path is too long
                # for a socket. Made anew it may do; a process that is another user's by now has
                # another.
                with contextlib.suppress(OSError, AttributeError):
                    former, self._rendezvous = self._rendezvous, self._anew()
                    former.close()
                failures += 1
                if failures == _CUT_OFF:
                    self._cut_off = True
                    _log.warning(
                        "the other workers of this server cannot be met in %s: %s; this one"
                        " switches alone, and tries again",
                        self._rendezvous.folder,
                        error,
                    )
                self._rest(min(_PAUSE * 2**failures, _LONGEST_PAUSE))

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
                self._rest(0.02)
            return False
        stream = MessageStream(end)
        try:
            silent = self._converse(stream)
        except (OSError, ValueError):
            silent = False
        finally:
            with self._news:
                self._stream = None
            stream.close()
        if silent:
            self._rendezvous.distrust(number)
        return True

    def _rest(self, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._over, seconds)

    def _converse(self, stream: MessageStream) -> bool:
        """Talk until the end; return whether the coordinator has fallen silent."""
        with self._news:
            said = self._what_i_am_at()
        stream.send(say="joins", **said, pid=os.getpid())
        with self._news:
            # From here on other threads send: a message before `joins` is not understood.
            self._stream = stream
            since = self._what_i_am_at()
        if since != said:
            stream.send(say="joins", **since, pid=os.getpid())
        heard = beat = time.monotonic()
        while not self._over:
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

    def _what_i_am_at(self) -> dict[str, Any]:
        return {
            "view": self._at,
            "generation": self._generation,
            "staged": self._waiting,
            "contents": self._contents,
            "change": self._change,
            "on_trial": trial.key(),
        }

    def _obey(self, order: Said) -> None:
        what = order.get("do")
        if what == "nothing":
            self._missing = order["for"]
        elif what in ("publish", "refuse", "look again"):
            with self._news:
                self._word = order
                self._news.notify_all()
        elif what == "go back":
            trial.alarm(order["key"], order["why"], order["round"])
        elif what == "trial over":
            trial.ended_elsewhere(order["key"], order["how"])
        elif what == "trial":
            self._start(trial.join, order)
        elif what == "stage":
            self._start(self._stage, order)
        elif what == "catch up":
            self._start(self._catch_up, order)

    # Orders that wait for an update, and so need a thread of their own.

    def _stage(self, order: Said) -> None:
        _core.number_from(order["generation"])
        paths, back = order.get("paths", []), order.get("back")
        ends = order.get("ends")
        try:
            self._refuse_late(ends)
        except WorkerRefused as error:
            self._say(say="fails", why=str(error))
            return
        with trial.ending(ends):
            if order.get("contents") is not None:
                _core.adopt(unpacked(order["contents"]), paths, tuple(back) if back else None)
            else:
                _core.follow(paths)
        if self._at != order["view"] and self._waiting is None:
            self._say(say="finds nothing")

    def _catch_up(self, order: Said) -> None:
        """Serve the view that the others serve; try again and again if that fails."""
        self._behind = order
        pause = _PAUSE
        while not self._over and self._behind is order and self._at != order["view"]:
            _core.number_from(order["generation"])
            # Files that the others do not set aside are served.
            known = {os.fspath(path) for path in _core.set_aside()}
            outcomes = [_core.follow(sorted(known - set(order["aside"])))["outcome"]]
            if self._at != order["view"] and self._behind is order:
                contents = unpacked(order["contents"])
                outcomes.append(_core.adopt(contents, order["aside"], None)["outcome"])
            if self._at == order["view"] or "refused" not in outcomes:
                # If it still differs, the rest waits for a restart.
                break
            if pause == _PAUSE:
                _log.warning(
                    "this worker cannot load what the others serve, and goes on with older code;"
                    " it tries again"
                )
            self._rest(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _start(self, task: Callable[..., object], *arguments: Any) -> None:
        def run() -> None:
            # Transfuse may be uninstalled, or the process be ending, at this moment; and contents
            # that cannot be decoded are nothing to serve.
            with contextlib.suppress(TransfuseError, ValueError):
                task(*arguments)

        native.thread(target=run, name="transfuse-catch-up", daemon=True).start()

    def _tell_what_is_served(self) -> None:
        with self._news:
            said = {"view": self._at, "generation": self._generation, "since": self._since}
        self._say(say="serves", **said)

    def _say(self, **words: Any) -> None:
        stream = self._stream
        if stream is not None:
            # A worker that cannot send this reports it again when it joins anew.
            with contextlib.suppress(OSError):
                stream.send(**words)


def _processes(pids: list[int]) -> str:
    return f"process {', '.join(str(pid) for pid in pids)}"
