"""How does Granian's parent process start, end and replace the workers of `transfuse serve`?

`TeamServer` is Granian's own server, which can also start a second team of workers beside the one
that serves, and end the first one when the second is ready (`transfuse.handover`). All workers
accept at one socket, which the parent has bound: connections in its queue belong to no worker, so
none can lose them. (Granian gives each worker a socket of its own, and with it a
queue that ends with the worker.)
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing.resource_tracker
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from granian._granian import SocketHolder
from granian.server.mp import MPServer

from transfuse.cli.terminal import say
from transfuse.config import native
from transfuse.handover.parent import Parent, private_path, taken_along
from transfuse.handover.teams import End, Settle, Start, Teams, Tell

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from transfuse.handover.teams import Order
    from transfuse.workers.protocol import Said

# Granian's `WorkerProcess`, whose methods have no types.
Worker = Any

# What a process that asks for a handover says of what it serves, for the fresh ones.
_TAKEN_ALONG = ("generation", "aside", "contents", "loaded", "back_to")
# How often fresh and doomed processes are looked at, in seconds.
_TURN = 0.1
# How long processes may take to say what they serve when others are ready, in seconds: a little
# more than the keeper's patience.
_PATIENCE = 3.0
# How long a process that has been told to end may take, in seconds.
_GRACE = 5.0
# A worker that ends again so soon after it was replaced is not replaced once more, in seconds.
_CRASH_LOOP = 5.5
# The pause before the next attempt to replace a process, in seconds: the first and the longest.
_AGAIN, _LONGEST = 1.0, 30.0


class Loader(Protocol):
    """Loads the application in a worker; it travels to the worker by pickle."""

    @property
    def folder(self) -> str:
        """A folder of this server alone."""

    @property
    def failure(self) -> str:
        """A file that is there once a worker has failed to load."""

    def of_team(self, team: int) -> Loader:
        """Return the same for the workers of another team."""

    def in_place(self) -> Loader:
        """Return the same for a worker in place of one that has ended."""


class TeamServer(MPServer):
    """Granian's server with teams.

    Args:
        listener: where all workers accept.
        loader: loads the application in a worker.
        limit: seconds that a team may take to become ready.
        **options: Granian's.
    """

    def __init__(
        self, target: str, *, listener: socket.socket, loader: Loader, limit: float, **options: Any
    ) -> None:
        super().__init__(target, **options)
        self._listener = listener
        self._loader = loader
        self._limit = limit
        self._spawn_target: Any = None
        self._teams = Teams()
        # Processes of the team that is starting; those of former teams; and those that were told to
        # end, with the time at which they are killed.
        self._fresh: list[Worker] = []
        self._former: list[Worker] = []
        self._doomed: list[tuple[Worker, float]] = []
        self._deadline = 0.0
        # Until when the former processes may say what they serve, once fresh ones are ready.
        self._impatient = 0.0
        # The processes that have begun to serve.
        self._begun: set[int] = set()
        # The time of the next attempt to replace workers, and the pause after that.
        self._again, self._pause = 0.0, _AGAIN
        # The folder in which processes start. It may be removed and created again.
        self._place = os.getcwd()
        # The content that the process serves that has asked for a handover.
        self._served: Said = {}
        self._parent = Parent(private_path(loader.folder), self.main_loop_interrupt.set)

    # Granian's steps.

    def _init_shared_socket(self) -> None:
        number = self._listener.fileno()
        backlog = () if sys.platform == "darwin" else (self.backlog,)
        # The types of Granian's attributes are those of their first values.
        holder: Any = SocketHolder
        granian: Any = self
        granian._ssp, granian._shd, granian._sfd = None, holder(number, False, *backlog), number
        self._sso = self._listener

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:  # noqa: ARG002
        self._spawn_target = spawn_target
        while True:
            is_busy = self._fresh or self._doomed or self.interrupt_children
            self.main_loop_interrupt.wait(_TURN if is_busy else None)
            # Before anything is looked at, so that later messages wake it again.
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                return
            for said in self._parent.take():
                self._follow(self._hear(said))
            self._look_after()
            if self.interrupt_children and not self._replace():
                return

    def _stop_workers(self) -> None:
        for worker in (*self._fresh, *(doomed for doomed, _ in self._doomed)):
            worker.kill()
        for worker in self._former:
            worker.terminate()
        super()._stop_workers()  # type: ignore[no-untyped-call]
        for worker in (*self._fresh, *self._former):
            worker.join()

    # The messages of processes, and the reactions to them.

    def _hear(self, said: Said) -> Iterable[Order]:
        pid, what, teams = said["pid"], said["say"], self._teams
        is_later = what == "holds" and said["generation"] > self._served["generation"]
        if what in ("asks", "gone back") or is_later:
            self._served = said
        elif what == "enters":
            teams.joins(pid, said["team"])
        elif what == "begins":
            self._begun.add(pid)
        answers: dict[str, Callable[[], Iterable[Order]]] = {
            "ready": lambda: teams.ready(pid),
            "begins": lambda: teams.begins(pid),
            "cannot serve": lambda: teams.fails(pid, said["why"], said["trace"]),
            "asks": lambda: teams.asks(pid, said["number"]),
            "holds": lambda: teams.holds(pid, said["generation"]),
            "gone back": lambda: teams.goes_back(pid, waits=said["waits"]),
            "on trial": lambda: teams.put_off(pid, said["why"]),
        }
        return answers[what]() if what in answers else ()

    def _follow(self, orders: Iterable[Order]) -> None:
        for order in orders:
            if isinstance(order, Tell) and order.order["do"] == "hold":
                self._impatient = time.monotonic() + _PATIENCE
                self._parent.tell(order.pid, {**order.order, "back_to": self._served["back_to"]})
            elif isinstance(order, Tell):
                self._parent.tell(order.pid, order.order)
            elif isinstance(order, Start):
                self._follow(self._started(order.team))
            elif isinstance(order, End):
                self._end_fresh()
            else:
                self._settle(order)

    def _started(self, team: int) -> Iterable[Order]:
        """Start the processes of a team; if the system refuses, there is no handover."""
        try:
            self._start(team)
        except OSError as error:
            return self._teams.cannot_start(f"no fresh process can be started: {self._why(error)}")
        return ()

    def _why(self, error: OSError) -> str:
        is_there = os.path.isdir(self._place)
        return str(error) if is_there else f"{self._place}, where they start, does not exist"

    def _prepare(self) -> None:
        """Create the folders that processes need at their start, if they were removed."""
        try:
            os.getcwd()
        except OSError:
            os.chdir(self._place)
        # Programs such as systemd-tmpfiles remove old temporary folders.
        os.makedirs(self._loader.folder, mode=0o700, exist_ok=True)
        self._parent.listen_anew()

    def _start(self, team: int) -> None:
        self._prepare()
        # A new interpreter, and not a copy of this process: packages may be others by now, and so
        # may Python itself.
        multiprocessing.set_start_method("spawn", force=True)
        # Here, because it lets signals through that are kept from a worker while that starts.
        multiprocessing.resource_tracker.ensure_running()
        loader = self._loader.of_team(team)
        served = {key: self._served[key] for key in _TAKEN_ALONG}
        with open(taken_along(loader.folder, team), "w", encoding="utf-8") as file:
            json.dump(served, file)
        for index in range(self.workers):
            worker: Worker = self._spawn_worker(index, self._spawn_target, loader)
            # Until it serves, its end is no reason to replace it.
            worker.interrupt_by_parent = True
            worker.start()
            self._fresh.append(worker)
        self._deadline = time.monotonic() + self._limit
        pids = {worker._id() for worker in self._fresh}
        self._teams.started(pids, self._served["generation"])

    def let_finish(self, pid: int) -> None:
        """Tell a worker that this server ends: its startup no longer waits for its turn."""
        # In a thread: the signal whose handler calls this may have come while the main thread was
        # sending, with the lock of that connection.
        order = {"do": "end"}
        native.thread(target=self._parent.tell, args=(pid, order), daemon=True).start()

    def _end_fresh(self) -> None:
        until = time.monotonic() + _GRACE
        for worker in self._fresh:
            self._parent.tell(worker._id(), {"do": "stand down"})
            worker.terminate()
            self._doomed.append((worker, until))
        self._fresh = []

    def _settle(self, settled: Settle) -> None:
        before = _pids(self.wrks)
        if settled.why is not None:
            told = f"not handed over: {settled.why}; still serving: {before}\n{settled.trace}"
            say(told.rstrip(), "red")
            return
        for worker in self.wrks:
            worker.interrupt_by_parent = True
        self._former += self.wrks
        self.wrks: list[Worker] = self._fresh
        self._fresh = []
        self._loader = self._loader.of_team(settled.team)
        self.interrupt_children.clear()
        for worker in self.wrks:
            worker.interrupt_by_parent = False
            if not worker.is_alive():
                self.interrupt_children.append(worker.idx)
        say(f"handed over to {_pids(self.wrks)}; finishing what they have: {before}", "green")

    def _look_after(self) -> None:
        """Look at the processes whose end Granian does not report."""
        now = time.monotonic()
        for worker in self._fresh[:]:
            if not worker.is_alive():
                self._follow(self._teams.ended(worker._id()))
        for worker in self.wrks:
            if not worker.is_alive():
                self._follow(self._teams.ended(worker._id()))
        if self._teams.waits_for_former and now > self._impatient:
            self._follow(self._teams.impatient())
        if self._fresh and now > self._deadline:
            self._follow(self._teams.late(self._limit))
        for doomed, until in self._doomed:
            if now > until and doomed.is_alive():
                doomed.kill()
        self._doomed = [each for each in self._doomed if each[0].is_alive()]
        for worker in [each for each in self._former if not each.is_alive()]:
            self._teams.ended(worker._id())
            self._former.remove(worker)

    def _replace(self) -> bool:
        """Start others in place of workers that have ended; return whether that makes sense."""
        indices, now = list(self.interrupt_children), time.monotonic()
        if now < self._again:
            return True
        soon = [each for each in indices if now - self.respawned_wrks.get(each, -1e9) < _CRASH_LOOP]
        failure = self._take_failure()
        if soon or failure:
            serves = self._some_serve()
            if serves:
                self._defer(indices, f"the last process ended: {failure}".rstrip(": \n"))
            return serves
        for index in indices:
            # Threads of Granian's add others meanwhile.
            self.interrupt_children.remove(index)
        self.respawned_wrks.clear()
        for index in dict.fromkeys(indices):
            before = list(self.wrks)
            try:
                self._prepare()
                self._respawn_workers([index], self._spawn_target, self._loader.in_place())
            except OSError as error:
                # The ended process stays listed until another one replaces it.
                self.wrks = before
                self.interrupt_children.append(index)
                self._defer([index], f"the system starts no process: {self._why(error)}")
        return True

    def _defer(self, indices: list[int], why: str) -> None:
        """Schedule the next attempt, with a longer pause each time; the other workers serve."""
        now = time.monotonic()
        if now - self._again > _CRASH_LOOP:
            self._pause = _AGAIN
        self._again, self._pause = now + self._pause, min(2 * self._pause, _LONGEST)
        for index in indices:
            self.respawned_wrks.pop(index, None)
        say(f"fewer processes serve; the missing ones will be started again ({why})", "red")

    def _take_failure(self) -> str:
        """Return why a worker could not load; left where it is if the server ends of it."""
        with contextlib.suppress(OSError), open(self._loader.failure, encoding="utf-8") as file:
            text = file.read()
            if self._some_serve():
                os.unlink(self._loader.failure)
            return text
        return ""

    def _some_serve(self) -> bool:
        return any(worker.is_alive() and worker._id() in self._begun for worker in self.wrks)


def _pids(workers: Iterable[Worker]) -> str:
    pids = [str(worker._id()) for worker in workers]
    return f"process{'es' if len(pids) > 1 else ''} {', '.join(pids)}"
