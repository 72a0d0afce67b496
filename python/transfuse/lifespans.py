"""From when to when does the lifespan of each generation's application run?

The server runs one lifespan for as long as it lives, and `Lifespans` answers it. Inside, each
application has a `Lifespan` of its own: the startup of the next one runs while its generation is
staged, and refuses the update if it fails; the shutdown of the former one runs after its last
request. An application that an update leaves as it is keeps its lifespan.

All of it happens in the server's event loop, but for what `stages` asks and tells.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import threading
from types import MethodType
from typing import TYPE_CHECKING, Any

from transfuse import stages
from transfuse._core import Pin
from transfuse.errors import StartupFailed, TransfuseError
from transfuse.lifecycle import installed_settings

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from transfuse.asgi import Application, Message, Receive, Scope, Send

_log = logging.getLogger("transfuse")

# How often who waits for a startup looks whether the event loop is still there, in seconds.
_SLICE = 0.5


class Lifespan:
    """One run of one application's lifespan."""

    def __init__(self, application: Application, scope: Scope, state: MutableMapping[str, Any]):
        self.application = application
        # What its startup left for its requests.
        self.state = state
        # Requests under way.
        self.units = 0
        # Whether another application is current; it stops with its last request then.
        self.superseded = False
        # Whether the application has a lifespan at all. Known after `start`.
        self.supported = False
        self._scope = {**scope, "state": state}
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        # Whether the application has asked for the first message.
        self._asked = False
        self._started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._stopped: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the startup.

        Raises:
            StartupFailed: the application says so, and raises nothing.
            BaseException: what its startup raises.
        """
        self._inbox.put_nowait({"type": "lifespan.startup"})
        task = self._task = asyncio.ensure_future(self._run())
        try:
            await _first(task, self._started)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if self._started.done():
            answer = self._started.result()
            if answer["type"] == "lifespan.startup.complete":
                self.supported = True
                return
            await asyncio.wait({task}, timeout=_SLICE)
            if task.done() and (error := task.exception()) is not None:
                raise error
            task.cancel()
            raise StartupFailed(answer.get("message") or "the application's startup failed")
        error = task.exception()
        if error is not None and self._asked:
            raise error
        # It does not know of lifespans, and has raised or returned without a word.

    async def stop(self) -> Message:
        """Run the shutdown, once, and return what to tell a server; what goes wrong is logged."""
        task = self._task
        complete: Message = {"type": "lifespan.shutdown.complete"}
        if task is None or not self.supported:
            return complete
        self._task = None
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        await _first(task, self._stopped)
        answer = self._stopped.result() if self._stopped.done() else complete
        if not task.done():
            await asyncio.wait({task}, timeout=_SLICE)
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None or answer["type"] != "lifespan.shutdown.complete":
            what = answer.get("message") or ""
            _log.error("an application's shutdown failed: %s", what, exc_info=error)
        return answer

    async def _run(self) -> None:
        await self.application(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        self._asked = True
        return await self._inbox.get()

    async def _send(self, message: Message) -> None:
        stage = self._started if message["type"].startswith("lifespan.startup.") else self._stopped
        if not stage.done():
            stage.set_result(message)


class Lifespans:
    """All lifespans of one target in one event loop; takes part in updates once it has begun.

    Args:
        resolve: the application of the generation that the caller is pinned to.
        scope: the server's own lifespan scope.
    """

    rank = 10

    def __init__(self, resolve: Callable[[], Application], scope: Scope) -> None:
        self._resolve = resolve
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        # Those that run, by application: see `_key`. The loop's thread writes; others only look.
        self._all: dict[object, Lifespan] = {}
        # That of the current generation.
        self._current: Lifespan | None = None
        # That of the staged generation, from its startup to the end of the update.
        self._next: Lifespan | None = None

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer the server, from startup to shutdown."""
        await receive()
        with Pin("startup"):
            first = Lifespan(self._resolve(), self._scope, self._scope.get("state", {}))
            try:
                await first.start()
            except StartupFailed as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
        self._all[_key(first.application)] = self._current = first
        stages.join(self)
        try:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        finally:
            stages.leave(self)
        answers = [await each.stop() for each in list(self._all.values())]
        await send(answers[-1] if answers else {"type": "lifespan.shutdown.complete"})

    def enter(self, application: Application, scope: Scope) -> Lifespan | None:
        """A request begins; it gets the state of its application's lifespan."""
        found = self._all.get(_key(application))
        if found is not None:
            found.units += 1
            if found.supported:
                scope["state"] = dict(found.state)
        return found

    def leave(self, lifespan: Lifespan) -> None:
        """A request is over."""
        lifespan.units -= 1
        if lifespan.superseded and not lifespan.units:
            self._retire(lifespan)

    # From here on: what `stages` calls, in the updating thread.

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Run the startup of the staged generation's application, if it is another."""
        self._next = None
        application = self._resolve()
        found = self._all.get(_key(application))
        if found is not None and found is self._current:
            self._next = found
            return
        if stages.waits_for_update(self._thread):
            raise TransfuseError(
                "the application's startup runs in the event loop, which waits for this very"
                " update; call it as 'await asyncio.to_thread(transfuse.update)'"
            )
        done: concurrent.futures.Future[Lifespan] = concurrent.futures.Future()
        # The startup is pinned like this thread; what is left running of it goes on by itself.
        context = contextvars.copy_context()
        self._call(context.run, self._prepare, application, done)
        self._next = self._wait(done)

    def published(self, generation: int) -> None:  # noqa: ARG002
        """Let the former applications end with their last requests."""
        self._call(self._switch, self._next)

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """End what was started in vain."""
        self._call(self._drop, self._next)

    def _wait(self, done: concurrent.futures.Future[Lifespan]) -> Lifespan:
        settings = installed_settings()
        limit = settings.time_limit if settings else 0.0
        waited = 0.0
        while not self._loop.is_closed():
            if waited >= limit:
                self._call(done.cancel)
                raise StartupFailed(
                    "the application's startup took longer than the setting time_limit"
                    f" ({limit:g} s)"
                )
            slice_ = min(_SLICE, limit)
            concurrent.futures.wait([done], slice_)
            if done.done():
                return done.result()
            waited += slice_
        raise StartupFailed("the server's event loop has ended")

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed: the server has gone without a word.
            stages.leave(self)

    # From here on: the event loop's thread.

    def _prepare(self, application: Application, done: concurrent.futures.Future[Lifespan]) -> None:
        task = asyncio.ensure_future(self._start(application))

        def told(task: asyncio.Task[Lifespan]) -> None:
            if not done.set_running_or_notify_cancel():
                return
            if task.cancelled():
                done.set_exception(StartupFailed("the application's startup was cancelled"))
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(task.result())

        def given_up(done: concurrent.futures.Future[Lifespan]) -> None:
            if done.cancelled():
                task.cancel()

        task.add_done_callback(told)
        done.add_done_callback(given_up)

    async def _start(self, application: Application) -> Lifespan:
        key = _key(application)
        old = self._all.get(key)
        if old is not None and old.units:
            # Back to an application that still has requests: it has never stopped.
            old.superseded = False
            return old
        lifespan = Lifespan(application, self._scope, {})
        await lifespan.start()
        self._all[key] = lifespan
        return lifespan

    def _switch(self, current: Lifespan | None) -> None:
        self._current = current
        for each in list(self._all.values()):
            self._supersede(each)

    def _drop(self, started: Lifespan | None) -> None:
        if started is not None:
            self._supersede(started)

    def _supersede(self, lifespan: Lifespan) -> None:
        lifespan.superseded = lifespan is not self._current
        if lifespan.superseded and not lifespan.units:
            self._retire(lifespan)

    def _retire(self, lifespan: Lifespan) -> None:
        key = _key(lifespan.application)
        if self._all.get(key) is lifespan:
            del self._all[key]
        task = asyncio.ensure_future(lifespan.stop())
        # The loop itself keeps no reference to a task.
        _stopping.add(task)
        task.add_done_callback(_stopping.discard)


# Shutdowns under way.
_stopping: set[asyncio.Task[Message]] = set()


async def _first(*some: asyncio.Future[Any]) -> None:
    await asyncio.wait(some, return_when=asyncio.FIRST_COMPLETED)


def _key(application: Application) -> object:
    # A bound method is another object at each look, and equal to the one before.
    return application if isinstance(application, MethodType) else id(application)
