"""How does `transfuse serve` end, and what else do its signals do?

The parent process decides, and its workers follow: Ctrl-C ends all at once, SIGTERM lets running
requests finish within a limit, and SIGHUP is `transfuse update`, unless the terminal is gone. It
does not rely on the servers' own way of ending: workers that have not ended in time are killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, NoReturn

from transfuse.cli.events import line_of
from transfuse.config import native
from transfuse.errors import TransfuseError
from transfuse.runtime import parent
from transfuse.updates import api

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that workers have upon Ctrl-C, for the shutdown of an application.
AT_ONCE = 1.0
# The pause between two looks at workers that end, in seconds.
_PAUSE = 0.01
# Seconds after which a worker is asked to end again: a server that is just starting forgets it.
_AGAIN = 0.2
# As if the terminal had sent Ctrl-C, which is what the shell reports; see docs/command-line.md.
_CODE = 0


# That of this process, if it is a parent that serves.
_ending: Ending | None = None


def is_ending() -> bool:
    """Return whether this process is ending, so that the end of a worker is no news."""
    return _ending is not None and _ending.begun


class Ending:
    """The signals of the parent process.

    Args:
        within: seconds that running requests have upon SIGTERM.
        leave: called at last, to remove what must not be left behind.
        as_json: whether the end is an event too.
    """

    def __init__(self, within: float, leave: Callable[[], None], *, as_json: bool = False) -> None:
        self._within = within
        self._as_json = as_json
        self._leave = leave
        # Closes the socket at which all workers accept: each has a descriptor of its own.
        self.stop_listening: Callable[[], None] = lambda: None
        # Lets a worker, by its process id, finish its startup, so that it can shut down.
        self.let_finish: Callable[[int], None] = lambda _: None
        self._pid = os.getpid()
        # When workers are killed, by `time.monotonic`; None as long as this process serves.
        self._deadline: float | None = None
        self._by_interrupt = False
        # A server that was started to outlive its terminal does.
        self._outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or not has_terminal()

    def listen(self) -> None:
        """Take the signals; for the main thread."""
        global _ending  # noqa: PLW0603 - there is one end of a process
        _ending = self
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.end)
        signal.signal(signal.SIGHUP, self.update)

    @property
    def begun(self) -> bool:
        """Whether a signal to end has come."""
        return self._deadline is not None

    def end(self, number: int, frame: object = None) -> None:  # noqa: ARG002 - a signal's handler
        """End the workers and this process; the handler of SIGINT and SIGTERM."""
        interrupt = number == signal.SIGINT
        if os.getpid() != self._pid:  # a worker that has not set its own handlers yet
            if not interrupt:
                os._exit(_CODE)
            return
        limit = AT_ONCE if interrupt else self._within
        first, until = self._deadline is None, time.monotonic() + limit
        self._by_interrupt |= interrupt
        self._deadline = until if self._deadline is None else min(self._deadline, until)
        if not first:
            return  # the first call, which this one interrupts, goes on with another deadline
        if not interrupt:
            _tell(f"SIGTERM: running requests have {limit:g} s to finish (--stop-within)")
        with contextlib.suppress(Exception):
            self.stop_listening()
        killed = self._end_workers()
        with contextlib.suppress(Exception):
            self._leave()
        how = "by Ctrl-C" if self._by_interrupt else "by SIGTERM"
        if self._as_json:
            by = "SIGINT" if self._by_interrupt else "SIGTERM"
            _write(1, line_of("ended", by=by, killed=killed))
        late = f"; killed what had not ended: {_numbers(killed)}" if killed else ""
        # The terminal shows ^C in this line.
        start = "\n" if self._by_interrupt and _is_terminal() else ""
        _tell(f"ended {how}{late}", start)
        _exit()

    def update(self, number: int, frame: object = None) -> None:
        """Have the workers update; the handler of SIGHUP."""
        if os.getpid() != self._pid or self._deadline is not None:
            return
        if not self._outlives and not has_terminal():
            self.end(signal.SIGTERM, frame)
        for pid in _workers():
            _send(pid, number)

    def _end_workers(self) -> list[int]:
        """End all workers; return those that had to be killed."""
        killed: set[int] = set()
        # Process id -> when it is asked next.
        asked: dict[int, float] = {}
        while pids := _workers():
            now = time.monotonic()
            for pid in pids:
                if now >= asked.get(pid, now):
                    _send(pid, signal.SIGTERM)
                    self.let_finish(pid)
                    asked[pid] = now + _AGAIN
            assert self._deadline is not None
            if now > self._deadline:
                for pid in pids:
                    _send(pid, signal.SIGKILL)
                killed |= pids
            time.sleep(_PAUSE)  # a signal that comes meanwhile changes the deadline
        return sorted(killed)


def start_undisturbed(server: Any) -> None:
    """Have a server start its workers without Ctrl-C, until they have handlers of their own.

    A worker that is a new interpreter would show a traceback of what it imports at that moment.
    """
    spawn = server._spawn_worker
    if multiprocessing.get_start_method() != "fork":
        # It would let the signals through again as it is started, by the first worker.
        resource_tracker.ensure_running()

    def spawn_undisturbed(*arguments: Any, **options: Any) -> Any:
        worker = spawn(*arguments, **options)
        start = worker.start

        def start_worker() -> None:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

        worker.start = start_worker
        return worker

    server._spawn_worker = spawn_undisturbed


class WorkerSignals:
    """The signals of a worker, from its first moment on."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._ready = False

    def listen(self) -> None:
        """Take the signals; for the main thread, before the application is loaded."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Not SIG_IGN, which programs that the application starts would inherit.
        signal.signal(signal.SIGINT, self._interrupt)
        signal.signal(signal.SIGHUP, self._update)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        _leave_interrupts_alone()

    def ready(self) -> None:
        """The application is loaded, so that it can be updated."""
        self._ready = True

    def retired(self) -> None:
        """Other processes serve by now, which update."""
        self._ready = False

    def _interrupt(self, number: int, frame: object) -> None:  # noqa: ARG002
        """A terminal sends Ctrl-C to all processes, and the parent ends its workers."""
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGTERM)

    def _update(self, number: int, frame: object) -> None:  # noqa: ARG002
        if self._ready:
            # In a thread, because the loop of the server is in this one.
            native.thread(target=_update, name="transfuse-hangup", daemon=True).start()


def _update() -> None:
    # Transfuse may be uninstalled, or the process be ending, at this moment.
    with contextlib.suppress(TransfuseError):
        if api.update().outcome == "unchanged":
            _tell(f"SIGHUP: nothing to update in process {os.getpid()}")


def _leave_interrupts_alone() -> None:
    """Have Granian's workers not end by themselves upon Ctrl-C.

    The parent would take the end of a worker for a failure, and start another one in its place,
    after which its own Ctrl-C is forgotten.
    """
    with contextlib.suppress(ImportError):
        from granian import _signals  # noqa: PLC0415

        _signals._get_signals = lambda: [signal.SIGTERM]


def has_terminal() -> bool:
    """Return whether this process has a terminal that controls it, and that has not gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


def _workers() -> set[int]:
    """Return the children of this process that have not ended."""
    found = _children()
    if found is None:
        return {child.pid for child in multiprocessing.active_children() if child.pid}
    return {pid for pid in found if parent.state_of(pid) not in ("", "Z", "X")}


def _children() -> set[int] | None:
    """Return the children, also one that is just being started; None if the system hides them."""
    mine = str(os.getpid())
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    return {pid for pid in pids if parent.parent_of(pid) == mine} - _trackers()


def _trackers() -> set[int]:
    """Return the helper of multiprocessing, which ends by itself, and last."""
    pid = getattr(resource_tracker._resource_tracker, "_pid", None)
    return {pid} if isinstance(pid, int) else set()


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _numbers(pids: list[int]) -> str:
    return f"process{'es' if len(pids) > 1 else ''} {', '.join(str(pid) for pid in pids)}"


def _is_terminal() -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.isatty(2)
    return False


def _tell(text: str, start: str = "") -> None:
    """Write a line for a person, whatever the code that a signal interrupts is writing."""
    _write(2, f"{start}transfuse: {text}\n")


def _write(number: int, text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(number, text.encode())


def _exit() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # It may be the code that the signal has interrupted, or its terminal may be gone.
        with contextlib.suppress(Exception):
            stream.flush()
    # An exception would go through code of the server that the signal has interrupted.
    os._exit(_CODE)
