"""The lifespan of one application, from its startup to its shutdown.

It runs in a task of its own in the server's event loop. The task returns the application's
exception as a value, because asyncio raises `SystemExit` and `KeyboardInterrupt` of a task in the
loop itself, which would end the server. `lifespan_manager` decides when a lifespan begins and ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from transfuse.config.logs import get_logger
from transfuse.errors import StartupFailed
from transfuse.servers.application_lifecycle import ServedApplication

if TYPE_CHECKING:
    from collections.abc import Coroutine, MutableMapping

    from transfuse.servers.asgi_types import Application, Message, Scope

_log = get_logger("transfuse")

# How long an application may take to return after its last message, in seconds.
_LEAVING = 0.5
# After how many seconds a startup or shutdown that hangs is logged.
LONG = 10.0

# Running tasks: a loop keeps only weak references to its tasks. Entries leave when the task is
# done.
_held: set[asyncio.Task[Any]] = set()


class Lifespan(ServedApplication):
    """One run of one application's lifespan.

    Args:
        application: the application.
        scope: the server's own lifespan scope.
        state: its ``scope["state"]``.
        name: its name in the log, such as ``"shop.web:app of generation 3"``.
    """

    def __init__(
        self, application: Application, scope: Scope, state: MutableMapping[str, Any], name: str
    ) -> None:
        super().__init__(application)
        # The state that its startup left for its requests.
        self.state = state
        # Whether the application has a lifespan at all. Known after `start`.
        self.supported = False
        # Its message about its startup, if it has sent one.
        self.said: Message | None = None
        self._name = name
        self._scope = {**scope, "state": state}
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        # Whether the application has asked for the first message.
        self._asked = False
        self._started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._stopped: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        # Its result is the application's exception. None before `start`, and once it is to end.
        self._task: asyncio.Task[BaseException | None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether its startup has begun, and its end has not."""
        return self._task is not None

    def references(self) -> list[Any]:
        """Return objects that lead to the application, with the coroutine that waits in it."""
        return [self, self._scope, *([] if self._task is None else [self._task.get_coro()])]

    async def start(self) -> None:
        """Run the startup. If it raises, `give_up` is to be called.

        Raises:
            StartupFailed: the application reports a failure, and raises nothing.
            BaseException: its startup raises it.
        """
        self._inbox.put_nowait({"type": "lifespan.startup"})
        task = self._task = asyncio.ensure_future(self._run())
        either: set[asyncio.Future[Any]] = {task, self._started}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            self.said = self._started.result()
            if self.said["type"] == "lifespan.startup.complete":
                self.supported = True
                return
            await asyncio.wait({task}, timeout=_LEAVING)
            error = _raised(task)
            raise error or StartupFailed(
                self.said.get("message") or "the application's startup failed"
            )
        if self._asked and (error := _raised(task)) is not None:
            raise error
        # It does not support lifespans, and has raised or returned without a message.

    async def give_up(self) -> None:
        """End a startup that is no longer needed; if it completes all the same, shut it down.

        Nothing is raised.
        """
        task = self._task
        if task is None:
            return
        if not self._started.done():
            task.cancel()
            await self._until(task, self._started, "startup")
        if (
            self._started.done()
            and self._started.result()["type"] == "lifespan.startup.complete"
            and not task.done()
        ):
            self.supported = True
            await self.stop()
            return
        self._task = None
        task.cancel()
        hold(task)

    async def stop(self) -> Message:
        """Run the shutdown, once, and return the message for the server; errors are logged."""
        task = self._task
        complete: Message = {"type": "lifespan.shutdown.complete"}
        if task is None or not self.supported:
            return complete
        self._task = None
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        await self._until(task, self._stopped, "shutdown")
        answer = self._stopped.result() if self._stopped.done() else complete
        if not task.done():
            await asyncio.wait({task}, timeout=_LEAVING)
        error = None if task.cancelled() else _raised(task)
        if error is not None or answer["type"] != "lifespan.shutdown.complete":
            what = f": {answer['message']}" if answer.get("message") else ""
            _log.error("the shutdown of %s failed%s", self._name, what, exc_info=error)
        hold(task)
        return answer

    async def _until(
        self, task: asyncio.Task[Any], said: asyncio.Future[Message], what: str
    ) -> None:
        either: set[asyncio.Future[Any]] = {task, said}
        done, _ = await asyncio.wait(either, timeout=LONG, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            _log.warning("the %s of %s has not come to its end for %g s", what, self._name, LONG)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    async def _run(self) -> BaseException | None:
        try:
            await self.application(self._scope, self._receive, self._send)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            return error
        return None

    async def _receive(self) -> Message:
        self._asked = True
        return await self._inbox.get()

    async def _send(self, message: Message) -> None:
        stage = self._started if message["type"].startswith("lifespan.startup.") else self._stopped
        if not stage.done():
            stage.set_result(message)


def hold(task: asyncio.Task[Any]) -> None:
    """Keep a task until it is done."""
    if not task.done():
        _held.add(task)
        task.add_done_callback(_held.discard)


def begun(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begin a task that is kept until it is done."""
    task = asyncio.ensure_future(work)
    hold(task)
    return task


def _raised(task: asyncio.Task[BaseException | None]) -> BaseException | None:
    if not task.done():
        return None
    if task.cancelled():
        return StartupFailed("the application's startup was cancelled")
    return task.result()
