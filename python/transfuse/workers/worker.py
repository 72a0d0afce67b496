"""What does each worker do to switch together with the others?

A `Worker` takes part in updates: between staging and publishing, the updating thread waits here for
the decision. It obeys the orders that its `Connection` receives. Without a coordinator it goes on
alone: serving matters more than switching at one instant.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config import native
from transfuse.config.logs import get_logger
from transfuse.config.native import time
from transfuse.errors import Outdated, TransfuseError, WorkerRefused
from transfuse.source.tracebacks import headline
from transfuse.updates import participants, trial
from transfuse.updates.api import on_update
from transfuse.workers.connection import Connection
from transfuse.workers.protocol import BEAT, SILENCE, packed, unpacked
from transfuse.workers.voted_view import VotedView

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
# The pause before the next attempt to catch up, in seconds. It doubles after each failure, up to
# the second value.
_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
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
        self._connection = Connection(place, settings, self._what_i_am_at, self._obey)
        # Guards all that threads share: the fields below.
        self._news = self._connection.news
        self._limit = settings.time_limit + _ALONE
        generation, self._at = _core.view()
        self._generation = generation
        # When that was published, by `time.monotonic`; None if it was loaded so.
        self._since: float | None = None
        # What the workers vote on.
        self._voted = VotedView()
        # The staged view that waits for the decision; None if none does.
        self._waiting: str | None = None
        self._contents: dict[str, Any] | None = None
        # The parts of the update that the others need to stage the same.
        self._change: dict[str, Any] = {"paths": [], "back": None, "others": {}}
        self._word: Said | None = None
        # The processes that the others wait for, by the coordinator's last message.
        self._missing: list[int] = []
        # The last order to catch up.
        self._behind: Said | None = None
        self._unsubscribe = on_update(self._heard_of)
        participants.register(self)
        trial.share_with(self)
        self._connection.begin()

    @property
    def place(self) -> str:
        """The folder where it meets the others; the same for all of them."""
        return self._connection.place

    def end(self) -> None:
        """Leave the others."""
        self._unsubscribe()
        participants.unregister(self)
        trial.share_with(None)
        self._connection.end()

    def drop(self) -> None:
        """Close the connections that a forked child has inherited."""
        self._connection.drop()

    # Taking part in updates: the updating thread.

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Wait until all have staged.

        Raises:
            WorkerRefused: one of the others could not, or did not in time; or the trial that a
                rollback ends is over.
            Outdated: the others have found later files.
        """
        contents = None if on_disk else packed(_core.differing(wanted=True))
        changed, back = _core.wanted_changes()
        paths = [os.fspath(path) for path in changed]
        view, others = self._voted.staged(paths, back)
        change: dict[str, Any] = {
            "paths": paths,
            "back": back,
            "others": others,
            "trial": trial.wanted(),
            "ends": trial.reason(),
        }
        self._refuse_late(change["ends"])
        with self._news:
            self._waiting, self._contents, self._word = view, contents, None
            self._change = change
        self._connection.say(say="staged", view=view, contents=contents, change=change)
        word = self._await_word()
        if word["do"] == "refuse":
            raise WorkerRefused(f"another worker could not load it: {word['why']}")
        if word["do"] == "look again":
            self._voted.hear(word)
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
            if self._waiting is not None:
                self._at, self._voted.others = self._waiting, self._change["others"]
            self._waiting = None
            self._voted.forget()
            self._generation = generation
            # An order to catch up is for an older view, or for this one.
            self._behind = None
        self._tell_what_is_served()

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """Nothing waits any more."""
        with self._news:
            given_up = self._waiting is not None and self._word is None
            self._waiting = None
            if self._word is None or self._word["do"] != "look again":
                self._voted.forget()
        if given_up:
            self._connection.say(say="fails", why="something newer was saved meanwhile")

    def _await_word(self) -> Said:
        began = unheard = time.monotonic()
        told = False
        with self._news:
            while self._word is None and not self._connection.over and not self._connection.cut_off:
                self._news.wait(BEAT)
                now = time.monotonic()
                if self._connection.stream is not None:
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
            self._connection.say(say="fails", why="" if error is None else headline(error))

    # Trials: any thread.

    def say_counts(self, key: str, generation: int, old: Counts, new: Counts) -> None:
        """Tell how many requests have begun, were answered, and failed in this process."""
        with self._news:
            view = self._at
        self._connection.say(say="counts", key=key, round=generation, view=view, old=old, new=new)

    def say_confirmed(self, key: str) -> None:
        """Tell that a trial was confirmed here."""
        self._connection.say(say="confirms", key=key)

    # The coordinator's orders: a thread of its own.

    def _what_i_am_at(self) -> dict[str, Any]:
        return {
            "view": self._at,
            "generation": self._generation,
            "others": self._voted.others,
            "source": _core.view()[1],
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
        elif what == "number":
            self._start(_core.number_from, order["generation"])
        elif what == "stage":
            self._start(self._stage, order)
        elif what == "catch up":
            self._start(self._catch_up, order)

    # Orders that wait for an update, and so need a thread of their own.

    def _stage(self, order: Said) -> None:
        _core.number_from(order["generation"])
        paths, back = order.get("paths", []), order.get("back")
        ends, others = order.get("ends"), order.get("others", {})
        self._voted.hear(order)
        try:
            self._refuse_late(ends)
        except WorkerRefused as error:
            self._connection.say(say="fails", why=str(error))
            return
        with trial.ending(ends):
            if order.get("contents") is not None:
                contents = unpacked(order["contents"])
                _core.adopt(contents, paths, tuple(back) if back else None, others)
                self._tell_what_stays(order)
            else:
                _core.follow(paths)
        if self._at == order["view"] or self._waiting is not None:
            return
        if self._voted.is_served(order):
            self._agree(order)
        else:
            self._connection.say(say="finds nothing")
        self._voted.forget()

    def _tell_what_stays(self, order: Said) -> None:
        """Warn of data that goes back in the others, and of which no content is kept here."""
        stays = self._voted.differing(order, {"data"}) if order.get("back") else []
        if stays:
            _log.warning(
                "rolled back in the other workers, but this one has never had their former content,"
                " and a restart of it helps if it is on disk again: %s",
                ", ".join(stays),
            )

    def _agree(self, order: Said) -> None:
        """Serve what an order is about: there is nothing to stage for it here."""
        with self._news:
            self._at, self._voted.others = order["view"], order.get("others", {})
            self._since = None
        self._tell_what_is_served()

    def _catch_up(self, order: Said) -> None:
        """Serve the view that the others serve; try again and again if that fails."""
        self._behind = order
        self._voted.hear(order)
        pause = _PAUSE
        while not self._connection.over and self._behind is order and self._at != order["view"]:
            _core.number_from(order["generation"])
            # Files that the others do not set aside are served.
            known = {os.fspath(path) for path in _core.set_aside()} - set(order["aside"])
            if not known and self._voted.is_served(order):
                self._agree(order)
                break
            outcomes = [_core.follow(sorted(known))["outcome"]]
            if self._at != order["view"] and self._behind is order:
                contents = unpacked(order["contents"])
                outcomes.append(_core.adopt(contents, order["aside"], None, {})["outcome"])
            if self._at == order["view"] or "refused" not in outcomes:
                # If it still differs, the rest waits for a restart.
                break
            if pause == _PAUSE:
                _log.warning(
                    "this worker cannot load what the others serve, and goes on with older code;"
                    " it tries again"
                )
            self._connection.rest(pause)
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
            others = self._voted.others
        self._connection.say(say="serves", others=others, source=_core.view()[1], **said)


def _processes(pids: list[int]) -> str:
    return f"process {', '.join(str(pid) for pid in pids)}"
