"""When does the lifespan of each generation's application start and end?

The server runs one lifespan for as long as it lives, and `LifespanManager` answers it. Inside, each
application has a `Lifespan` of its own: the startup of the next one runs while its generation is
staged, and refuses the update if it fails; the shutdown of the former one runs after its last
request (`application_lifecycle`).

An update does not wait for the server's first startup: it starts its own application beside it.
The one that is current in the end is served, the other is shut down.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from transfuse._core import Pin
from transfuse.config.logs import get_logger
from transfuse.errors import StartupFailed
from transfuse.process.install import installed_settings
from transfuse.servers import entry_gate
from transfuse.servers.application_lifecycle import ApplicationLifecycle, key_of
from transfuse.servers.lifespan import Lifespan, begun
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import Coroutine, MutableMapping

    from transfuse.process.target import Target
    from transfuse.servers.asgi_types import Application, Message, Receive, Scope, Send
    from transfuse.servers.loop_call import LoopCall

_log = get_logger("transfuse")

# How often a starting server checks whether the update under way is over, in seconds.
_TURN = 0.01
# The key under which the server's state, which each request gets a copy of, names its manager.
_MARK = "transfuse.lifespan_manager"


class LifespanManager(ApplicationLifecycle[Lifespan]):
    """All lifespans of one target under one server; takes part in updates once it has begun.

    Args:
        target: of the application.
        scope: the server's own lifespan scope.
    """

    def __init__(self, target: Target, scope: Scope) -> None:
        super().__init__(target, target.resolve_callable, asyncio.get_running_loop())
        self._scope = scope
        # The state that the server copies to its requests, if it does. It lives as long as the
        # server, so the entries of the first application are removed when that ends.
        self._shared: MutableMapping[str, Any] | None = scope.get("state")
        # The lifespan whose state is in there, if any.
        self._sharing: Lifespan | None = None
        # Startups under way for updates. Entries leave when they are done.
        self._starting: set[asyncio.Task[Any]] = set()
        # Shutdowns under way, by application: see `key_of`. Entries leave when they are done.
        self._ending: dict[object, asyncio.Task[Any]] = {}

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer the server, from startup to shutdown.

        Raises:
            BaseException: the first startup raises it.
        """
        await receive()
        under_way = participants.register(self)
        try:
            # An update that began before this one registered will not start an application here.
            while (under_way is not None and not under_way.is_set()) or self._starting:
                await asyncio.sleep(_TURN)
            if await self._start_first(send):
                if not await entry_gate.ready():
                    await self._close()
                    entry_gate.left()
                    await send({"type": "lifespan.startup.failed", "message": ""})
                    return
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send(await self._close())
        finally:
            participants.unregister(self)
            self._ended = True

    def serves(self, scope: Scope) -> bool:
        """Whether a request has come by this server, as far as the server lets it know."""
        state = scope.get("state")
        return state is not None and state.get(_MARK) is self

    def begin_request(self, application: Application, scope: Scope) -> Lifespan | None:
        """A request begins; it gets the state of its application's lifespan."""
        found = self.enter(application)
        if found is not None and (found.supported or "state" in scope):
            scope["state"] = dict(found.state)
        elif _MARK in (scope.get("state") or ()):
            scope["state"] = _unmarked(scope["state"])
        return found

    def begin(self, application: Application, generation: int, call: LoopCall[Lifespan]) -> None:
        """Begin the startup of the next application."""
        task = begun(self._start_next(application, generation, call))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        call.when_given_up(task.cancel)

    def end(self, served: Lifespan) -> None:
        """Begin the shutdown of a former application."""
        if served is self._sharing and self._shared is not None:
            self._sharing = None
            self._shared.clear()
            self._shared[_MARK] = self
        self._ends(served, served.stop())

    def has_end(self, served: Lifespan) -> bool:
        """Whether it has a lifespan."""
        return served.supported

    async def _start_first(self, send: Send) -> bool:
        """Start the application that is current now; if that fails, tell the server.

        Returns:
            Whether the server goes on.

        Raises:
            BaseException: the startup raises it, and the server handles it.
        """
        with Pin("startup") as pin:
            application = self._resolve()
            first = self._all.get(key_of(application))
            if first is None:
                name = f"{self._target.text} of generation {pin.generation}"
                first = Lifespan(application, self._scope, _unmarked(self._shared or {}), name)
                self.first(first)
                if not await self._has_started(first, send):
                    return False
            else:
                # An update has started it in the meantime.
                self.first(first)
                self.leave(first)
        if self._shared is not None:
            if first is self._current:
                self._shared.update(first.state)
                self._sharing = first
            self._shared[_MARK] = self
        return True

    async def _has_started(self, first: Lifespan, send: Send) -> bool:
        try:
            await first.start()
        except BaseException as error:
            self._all.pop(key_of(first.application), None)
            self._ends(first, first.give_up())
            if isinstance(error, asyncio.CancelledError):
                raise
            if first is not self._current:
                _log.error(
                    "the first startup failed; a later generation, which has started, is served",
                    exc_info=error,
                )
                return True
            entry_gate.failed(error)
            await self._close()
            if first.said is not None:
                await send(first.said)
                if isinstance(error, StartupFailed):
                    return False
            else:
                _log.error(
                    "the first startup failed; a server that goes on all the same runs no startup"
                    " of later generations either: repair it, and restart the server",
                    exc_info=error,
                )
            raise
        self.leave(first)
        return True

    async def _start_next(
        self, application: Application, generation: int, call: LoopCall[Lifespan]
    ) -> None:
        """Start an application for an update. Its exceptions go to the update."""
        name = f"{self._target.text} of generation {generation}"
        lifespan = Lifespan(application, self._scope, {}, name)
        try:
            ending = self._ending.get(key_of(application))
            if ending is not None:
                # Back to an application whose shutdown is under way.
                what, call.what = call.what, "the shutdown of the same application before that"
                await asyncio.wait([ending])
                call.what = what
            await lifespan.start()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                ends = "the server is ending" if self._ended else "its startup was cancelled"
                call.set_exception(StartupFailed(ends))
            else:
                call.set_exception(error)
            if lifespan.has_begun:
                self._ends(lifespan, lifespan.give_up())
        else:
            self.offer(lifespan, call)

    def _ends(self, lifespan: Lifespan, how: Coroutine[Any, Any, Any]) -> None:
        key = key_of(lifespan.application)
        task = self._ending[key] = begun(how)

        def ended(task: asyncio.Task[Any]) -> None:
            if self._ending.get(key) is task:
                del self._ending[key]

        task.add_done_callback(ended)

    async def _close(self) -> Message:
        """Shut down all that has started, and wait for it; return the message for the server."""
        participants.unregister(self)
        self._ended = True
        for task in list(self._starting):
            task.cancel()
        if self._starting:
            await asyncio.wait(self._starting)
        answer: Message = {"type": "lifespan.shutdown.complete"}
        former = list(self._ending.values())
        current: asyncio.Task[Message] | None = None
        for each in self._all.values():
            task = begun(each.stop())
            if each is self._current:
                current = task
            else:
                former.append(task)
        self._all.clear()
        if current is not None:
            answer = await current
        await _ended_in_time(former)
        return answer


async def _ended_in_time(former: list[asyncio.Task[Any]]) -> None:
    """Wait for shutdowns of former applications, but not for ever: a server is to end."""
    settings = installed_settings()
    limit = settings.time_limit if settings else None
    hanging = (await asyncio.wait(former, timeout=limit))[1] if former else ()
    if hanging:
        _log.error(
            "the server ends without the shutdowns of %d former applications, which took longer"
            " than the setting time_limit (%g s)",
            len(hanging),
            limit,
        )
    for task in hanging:
        task.cancel()


def _unmarked(state: MutableMapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != _MARK}
