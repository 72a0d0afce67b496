"""How does Granian come to serve the current generation by its own protocol, RSGI?

`rsgi` makes an application that Granian can hold for ever. A request, and a websocket, is a unit
of work. Of each new application `__rsgi_init__` is called while its generation is staged, in the
event loop, and refuses the update if it raises; `__rsgi_del__` of the former once it is published.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import logging
from typing import TYPE_CHECKING, Any, Protocol

from transfuse import stages
from transfuse._core import Pin
from transfuse.lifecycle import ensure_installed, installed_settings
from transfuse.served import serve
from transfuse.target import Target

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

_log = logging.getLogger("transfuse")


class Application(Protocol):
    """An RSGI application."""

    def __rsgi__(self, scope: Any, protocol: Any) -> Awaitable[None]:
        """Answer one request."""


def rsgi(target: str) -> Application:
    """Return an RSGI application that answers from the current generation.

    Args:
        target: ``"package.module:attribute"``; a coroutine function, or an object with `__rsgi__`.

    Raises:
        TargetError: there is no such module or attribute, or it is not callable.
        SettingsError, RootError: as `install`.
        BaseException: whatever the module raises while it is loaded.
    """
    sought = Target(target)
    ensure_installed()
    with Pin():
        serve(sought, or_has="__rsgi__")
    return _Application(sought)


class _Application:
    rank = 20

    def __init__(self, target: Target) -> None:
        self._target = target
        self._loop: asyncio.AbstractEventLoop | None = None
        # The application whose `__rsgi_init__` was called and that is served; and the next one,
        # while its generation is staged.
        self._begun: Any = None
        self._next: Any = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        with Pin("startup"):
            self._begun = self._target.resolve()
            _call(self._begun, "__rsgi_init__", loop)
        stages.join(self)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        stages.leave(self)
        _call(self._begun, "__rsgi_del__", loop)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        with Pin(f"{getattr(scope, 'method', scope.proto)} {scope.path}"):
            found = self._target.resolve()
            await getattr(found, "__rsgi__", found)(scope, protocol)

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Begin the next application, if it is another; raise what that raises."""
        self._next = self._target.resolve()
        if self._next is not self._begun:
            self._in_loop(_call, self._next, "__rsgi_init__", self._loop)

    def abandoned(self, generation: int) -> None:  # noqa: ARG002 - as `Participant` has it
        """End what was begun in vain."""
        self._end(self._next, unless=self._begun)

    def published(self, generation: int) -> None:  # noqa: ARG002
        """End the former application."""
        former, self._begun = self._begun, self._next
        self._end(former, unless=self._begun)

    def _end(self, application: Any, *, unless: Any) -> None:
        if application is unless:
            return
        try:
            self._in_loop(_call, application, "__rsgi_del__", self._loop)
        except Exception:
            _log.exception("__rsgi_del__ of an application failed; the update stands")

    def _in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call in the event loop's thread, in this context, and wait for it."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        context = contextvars.copy_context()

        def call() -> None:
            try:
                context.run(function, *arguments)
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        loop.call_soon_threadsafe(call)
        settings = installed_settings()
        done.result(settings.time_limit if settings else None)


def _call(application: Any, name: str, loop: asyncio.AbstractEventLoop | None) -> None:
    method = getattr(application, name, None)
    if method is not None:
        method(loop)
