"""Keep the sessions of an MCP server open over an update, and notify their clients.

An MCP application (the package `mcp`, from 2.0 on) has a manager of sessions, which ends them with
its own lifespan. Each generation's application has one of its own. So the manager of a former
application is kept while it has sessions, and a request that the current one does not know is given
to the manager that has its session; the server of the current application answers it. Clients of
the newest protocol have no sessions: they are told by the streams that they listen to.

Everything here belongs to the thread of the server's event loop, if it is not said otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.frameworks.when_imported import replace
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_log = get_logger("transfuse")
_SESSION_ID = b"mcp-session-id"


class _Managed:
    """A manager of sessions, from its start until its last session has ended."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.name: str = manager.app.name
        self.loop = asyncio.get_running_loop()
        self.generation = _core.answering()[0]
        # Whether its application has ended, so that only its sessions keep it.
        self.is_kept = False
        # The manager of the application that has answered its sessions last; None: itself.
        self.answered_by: Any = None
        # Session -> the connection to its client.
        self.connections: dict[str, Any] = {}
        self._ends = asyncio.Event()
        self._started: asyncio.Future[None] = self.loop.create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self, run: Callable[[Any], Any]) -> None:
        """Start it, in a task that can outlive its application.

        Raises:
            BaseException: the server's lifespan raises it.
        """
        self._task = asyncio.ensure_future(self._hold(run))
        either: set[asyncio.Future[Any]] = {self._task, self._started}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.end()
            raise
        if not self._started.done():
            await self._task

    async def _hold(self, run: Callable[[Any], Any]) -> None:
        async with run(self.manager):
            self._started.set_result(None)
            await self._ends.wait()

    async def end(self) -> None:
        """End it with its sessions, and wait for that."""
        self.end_soon()
        if self._task is not None:
            await asyncio.wait({self._task})
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                _log.error("the end of the MCP server %r failed", self.name, exc_info=error)

    def end_soon(self) -> None:
        self._ends.set()
        if self in _all:
            _all.remove(self)

    def has(self, session: str) -> bool:
        return session in self.manager._server_instances


# All that have started and not ended, in this order.
_all: list[_Managed] = []


def adapt() -> None:
    """Adapt the package when it has been imported."""
    manager = sys.modules["mcp.server.streamable_http_manager"]
    runner = sys.modules.get("mcp.server.runner")
    if runner is None or not hasattr(manager, "serve_loop"):
        _log.warning(
            "sessions of this release of mcp end with an update: their later requests are answered"
            " with 404"
        )
        return
    kind = manager.StreamableHTTPSessionManager
    replace(kind, "run", _run)
    replace(kind, "_handle_stateful_request", _handle)
    replace(kind, "_discard_session", _discard)
    replace(runner.ServerRunner, "_on_request", _answer)
    replace(runner.ServerRunner, "_on_notify", _answer)
    replace(
        sys.modules["mcp.server.lowlevel.server"].Server, "create_initialization_options", _options
    )
    participants.register(_Told())


@contextlib.asynccontextmanager
async def _run(run: Callable[[Any], Any], manager: Any) -> AsyncIterator[None]:
    managed = _Managed(manager)
    await managed.start(run)
    _all.append(managed)
    try:
        yield
    finally:
        if _has_successor(managed) and manager._server_instances:
            managed.is_kept = True
        else:
            await managed.end()
            for other in _kept_for(managed):
                await other.end()


def _has_successor(managed: _Managed) -> bool:
    return any(one is not managed and not one.is_kept for one in _like(managed))


def _kept_for(managed: _Managed) -> list[_Managed]:
    """Return the session managers of the last application that has a server of that name."""
    like = _like(managed)
    return [] if any(not one.is_kept for one in like) else like


def _like(managed: _Managed) -> list[_Managed]:
    return [one for one in _all if one.loop is managed.loop and one.name == managed.name]


def _managed(manager: Any) -> _Managed | None:
    return next((one for one in _all if one.manager is manager), None)


async def _handle(handle: Any, manager: Any, scope: Any, receive: Any, send: Any) -> None:
    """Answer a request, by the manager that has its session."""
    given = next((value for name, value in scope["headers"] if name == _SESSION_ID), None)
    here = _managed(manager)
    if given is None or here is None:
        await handle(manager, scope, receive, send)
        return
    session = given.decode("latin-1")
    there = here if here.has(session) else _former_with(here, session)
    if there is not None:
        there.answered_by = None if there is here else manager
    await handle((there or here).manager, scope, receive, send)


def _former_with(here: _Managed, session: str) -> _Managed | None:
    like = [one for one in _like(here) if one is not here]
    if any(one.generation == here.generation for one in like):
        # Two servers of one name in one application: nothing tells which of them it was.
        return None
    return next((one for one in like if one.has(session)), None)


async def _discard(discard: Any, manager: Any, session: str, transport: Any) -> None:
    await discard(manager, session, transport)
    managed = _managed(manager)
    if managed is not None:
        managed.connections.pop(session, None)
        if managed.is_kept and not manager._server_instances:
            managed.end_soon()


async def _answer(answer: Any, runner: Any, *arguments: Any) -> Any:
    """Answer a message of a session by the server of the application that its request came to."""
    session = runner.connection.session_id
    managed = next((one for one in _all if one.manager.app is runner.server), None)
    if session is None or managed is None:
        return await answer(runner, *arguments)
    managed.connections[session] = runner.connection
    by = managed.answered_by
    if by is not None and by._lifespan_state is not None:
        runner = dataclasses.replace(runner, server=by.app, lifespan_state=by._lifespan_state)
    return await answer(runner, *arguments)


def _options(
    options: Any, server: Any, notification_options: Any = None, *arguments: Any, **named: Any
) -> Any:
    """Say at the beginning of a session that the lists may change."""
    if notification_options is None:
        kind = sys.modules["mcp.server.lowlevel.server"].NotificationOptions
        notification_options = kind(True, True, True)
    return options(server, notification_options, *arguments, **named)


class _Told(participants.Participant):
    """Tells clients after an update. The updating thread calls it."""

    order = 95

    def published(self, generation: int) -> None:  # noqa: ARG002
        for loop in {one.loop for one in list(_all)}:
            with contextlib.suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(_tell, loop)


# Running tasks that tell clients: a loop keeps only weak references to its tasks.
_telling: set[asyncio.Task[None]] = set()


def _tell(loop: asyncio.AbstractEventLoop) -> None:
    task = asyncio.ensure_future(_tell_all([one for one in _all if one.loop is loop]))
    _telling.add(task)
    task.add_done_callback(_telling.discard)


async def _tell_all(all_of_loop: list[_Managed]) -> None:
    events = sys.modules.get("mcp.shared.subscriptions")
    for managed in all_of_loop:
        for connection in list(managed.connections.values()):
            with contextlib.suppress(Exception):  # Its client has gone.
                await connection.send_tool_list_changed()
                await connection.send_prompt_list_changed()
                await connection.send_resource_list_changed()
        for bus in _buses(managed.manager.app):
            for kind in ("ToolsListChanged", "PromptsListChanged", "ResourcesListChanged"):
                await bus.publish(getattr(events, kind)())


def _buses(server: Any) -> Iterator[Any]:
    entry = server.get_request_handler("subscriptions/listen")
    bus = getattr(getattr(entry, "handler", None), "_bus", None)
    if bus is not None:
        yield bus
