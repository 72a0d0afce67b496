"""How does a process of a team talk to its parent, and follow it?

It connects before it loads anything, says when it is ready, and takes connections when it is told
to. It asks for a handover (`occasions`), and retires when others have taken over (`retirement`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

from transfuse.config import native
from transfuse.config.native import threading, time
from transfuse.errors import TransfuseError
from transfuse.runtime import long_path
from transfuse.source.tracebacks import headline, user_traceback
from transfuse.workers.protocol import MessageStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.workers.protocol import Said

# How often the receiving thread looks whether there is still a parent, in seconds.
_TURN = 5.0
# The number of checks whether a parent that closed the connection has ended, and the pause between
# two of them in seconds.
_LOOKS, _PAUSE = 250, 0.02


class Member:
    """This process, as one of a team. Also the gate of its server (`servers.entry_gate`).

    Args:
        path: the parent's socket.
        team: the number of the team.
        check: called when the application has started; raises if it is not to serve.
        refuse: called with the exception of `check`; logs the reason.
        announce: called when it may serve.
        retire: called in a thread of its own when others have taken over.
        put_off: the same when a trial has put off the handover that this process has asked for.
        hold: the same when others are ready to take over: has this process publish nothing more,
            and returns what it serves; called with the generation that they go back to, or None.
        go_on: the same when they do not take over.
        orphaned: called in a thread of its own when the parent is gone.
    """

    def __init__(
        self,
        path: str,
        team: int,
        *,
        check: Callable[[], None],
        refuse: Callable[[BaseException], None],
        announce: Callable[[], None],
        retire: Callable[[], None],
        put_off: Callable[[], None] = lambda: None,
        hold: Callable[[int | None], Said] | None = None,
        go_on: Callable[[], None] = lambda: None,
        orphaned: Callable[[], None] = lambda: None,
    ) -> None:
        self.team = team
        self._check, self._refuse, self._announce = check, refuse, announce
        self._parent, self._orphaned = os.getppid(), orphaned
        self._in_threads: dict[str, Callable[[Said], None]] = {
            "retire": lambda _: retire(),
            "put off": lambda _: put_off(),
            "hold": self._hold,
            "go on": lambda _: go_on(),
        }
        self._holds = hold
        end = native.socket.socket(native.socket.AF_UNIX, native.socket.SOCK_STREAM)
        long_path.connect(end, path)
        self._stream = MessageStream(end)
        # Guards the fields below, which the receiving thread writes.
        self._news = threading.Condition()
        # Whether it may take connections; None until it is told.
        self._may_serve: bool | None = None
        # Whether the server ends, which its own signal has told it.
        self._ends = False
        # The answers to questions by their number, until they are taken.
        self._answers: dict[int, Said] = {}
        self._numbers = itertools.count(1)
        self._over = False
        self._say(say="enters", pid=os.getpid(), team=team)
        native.thread(target=self._run, name="transfuse-member", daemon=True).start()

    # The gate.

    async def ready(self) -> bool:
        """Say that the application has started, and wait until it may serve."""
        return await asyncio.get_running_loop().run_in_executor(None, self.wait_until_it_may_serve)

    def wait_until_it_may_serve(self) -> bool:
        """Run the check, and say that this process is ready; return whether it may serve."""
        try:
            self._check()
        except BaseException as error:
            self._refuse(error)
            return False
        self._say(say="ready", pid=os.getpid())
        with self._news:
            self._news.wait_for(lambda: self._may_serve is not None or self._over)
            # Without a parent that could tell, others may serve already.
            may_serve = self._may_serve is True
        if may_serve and not self._ends:
            self._announce()
            self._say(say="begins", pid=os.getpid())
        return may_serve

    def left(self) -> None:
        """End this process, which others go on without."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)

    def failed(self, error: BaseException) -> None:
        """Say that this process cannot become ready."""
        self.fails(headline(error), user_traceback(error))

    def fails(self, why: str, trace: str = "") -> None:
        """The same, in words."""
        self._say(say="cannot serve", pid=os.getpid(), why=why, trace=trace)

    # Asking for a handover.

    def ask(self, served: Said) -> None:
        """Ask for a handover, and go on.

        Args:
            served: what fresh processes are to take along: ``generation``, the number of the one
                that is served, and ``contents``, file to content that is served in place of that on
                disk, as `workers.protocol.packed` has it.
        """
        self._say(say="asks", pid=os.getpid(), number=None, **served)

    def gone_back(self, served: Said, waits: bool) -> None:
        """Say that a rollback was made: fresh processes that are starting are to take it along.

        Args:
            served: as for `ask`.
            waits: whether something still waits for them.
        """
        self._say(say="gone back", pid=os.getpid(), waits=waits, **served)

    def on_trial(self, why: str) -> None:
        """Say that a trial has begun, which fresh processes that are starting would end."""
        self._say(say="on trial", pid=os.getpid(), why=why)

    def ask_and_wait(self, served: Said) -> Said:
        """Ask for a handover; return how it ended.

        Args:
            served: as for `ask`.

        Returns:
            ``why``: why it was not made, or None; ``trace``: a traceback that goes with it;
            ``team``: the team that serves now.

        Raises:
            TransfuseError: the parent is gone.
        """
        number = next(self._numbers)
        self._say(say="asks", pid=os.getpid(), number=number, **served)
        with self._news:
            self._news.wait_for(lambda: number in self._answers or self._over)
            if number not in self._answers:
                raise TransfuseError("the process that started this one is gone")
            return self._answers.pop(number)

    def _hold(self, order: Said) -> None:
        served = {"generation": 0} if self._holds is None else self._holds(order["back_to"])
        self._say(say="holds", pid=os.getpid(), **served)

    def _say(self, **words: Any) -> None:
        # Without a parent there is nobody to hand over to.
        with contextlib.suppress(OSError):
            self._stream.send(**words)

    def _run(self) -> None:
        messages: list[Said] | None = []
        while messages is not None:
            try:
                messages = self._stream.receive(_TURN)
            except (OSError, ValueError):
                messages = None
            for order in messages or ():
                self._obey(order)
        with self._news:
            self._over = True
            self._news.notify_all()
        # The system closes the connections of a process before the process has ended.
        for _ in range(_LOOKS):
            if os.getppid() != self._parent:
                self._orphaned()
                return
            time.sleep(_PAUSE)

    def _obey(self, order: Said) -> None:
        what = order["do"]
        if what in self._in_threads:
            task = self._in_threads[what]
            name = f"transfuse-{what}"
            native.thread(target=task, args=(order,), name=name, daemon=True).start()
            return
        with self._news:
            if what in ("serve", "stand down"):
                self._may_serve = what == "serve"
            elif what == "end":
                # The server begins, finds its signal, and shuts the application down.
                self._may_serve = self._ends = True
            elif what == "answer":
                self._answers[order["number"]] = order
            self._news.notify_all()
