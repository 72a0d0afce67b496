"""How does Granian come to serve the current generation by its own protocol, RSGI?

`rsgi` makes an application that Granian can hold for ever. A request, and a websocket, is a unit
of work. Of each new application `__rsgi_init__` is called while its generation is staged, in the
event loop, and refuses the update if it raises; `__rsgi_del__` of the former one after its last
request (`application_lifecycle`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from transfuse._core import Pin, counted_protocol
from transfuse.config.logs import get_logger
from transfuse.process.install import installed_settings
from transfuse.servers.application_lifecycle import ApplicationLifecycle, ServedApplication
from transfuse.servers.request_pin import UnitOfWork
from transfuse.servers.target_check import serve
from transfuse.updates import participants

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from transfuse.process.target import Target
    from transfuse.servers.loop_call import LoopCall

_log = get_logger("transfuse")


class Application(Protocol):
    """An RSGI application."""

    def __rsgi__(self, scope: Any, protocol: Any) -> Awaitable[None]:
        """Answer one request."""


def rsgi(target: str) -> Application:
    """Return an RSGI application that answers from the current generation.

    Args:
        target: ``"package.module:attribute"``; a coroutine function, or an object with `__rsgi__`.

    Raises:
        TargetError: there is no such module or attribute, or it is no RSGI application.
        SettingsError, RootError: as `install`.
        BaseException: the module raises it while it is loaded.
    """
    sought = serve(target, "rsgi")
    return _Application(sought)


class _Application:
    """The object that Granian holds."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # From `__rsgi_init__` to `__rsgi_del__`; a server need not call either.
        self._applications: _Applications | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        settings = installed_settings()
        # Here and not in `rsgi`: a file for several servers also makes applications never served.
        if settings is not None and settings.drain is not None:
            _log.warning(
                "the setting drain is for ASGI: under RSGI, connections that are left on old code"
                " last"
            )
        applications = self._applications = _Applications(self._target, self._target.resolve, loop)
        under_way = participants.register(applications)
        try:
            if under_way is not None:
                # An update that began before it registered will start no application here.
                with participants.waiting():
                    under_way.wait()
            with Pin("startup"):
                applications.begin_first()
        except BaseException:
            self._applications = None
            participants.unregister(applications)
            raise

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        applications, self._applications = self._applications, None
        if applications is not None:
            applications.end_all()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        with UnitOfWork(f"{getattr(scope, 'method', scope.proto)} {scope.path}") as pin:
            found = self._target.resolve()
            applications = self._applications
            served = applications.enter(found) if applications is not None else None
            try:
                await getattr(found, "__rsgi__", found)(scope, counted_protocol(pin, protocol))
            finally:
                if served is not None and applications is not None:
                    applications.leave(served)


class _Applications(ApplicationLifecycle[ServedApplication]):
    order = 20

    def begin_first(self) -> None:
        """Begin the application that is current now, and raise its exception."""
        first = ServedApplication(self._resolve())
        self.first(first)
        _call(first.application, "__rsgi_init__", self._loop)
        self.leave(first)

    def end_all(self) -> None:
        """The server ends: end all that have begun, the current one last."""
        participants.unregister(self)
        self._ended = True
        for served in sorted(self._all.values(), key=lambda each: each is self._current):
            self.end(served)
        self._all.clear()

    def begin(self, application: Any, generation: int, call: LoopCall[ServedApplication]) -> None:  # noqa: ARG002
        served = ServedApplication(application)
        try:
            _call(application, "__rsgi_init__", self._loop)
        except BaseException as error:
            call.set_exception(error)
            self.end(served)
        else:
            self.offer(served, call)

    def has_end(self, served: ServedApplication) -> bool:
        return hasattr(served.application, "__rsgi_del__")

    def end(self, served: ServedApplication) -> None:
        try:
            _call(served.application, "__rsgi_del__", self._loop)
        except BaseException:
            # Also an exception that would end the event loop, and with it the server.
            _log.exception("__rsgi_del__ of an application failed")


def _call(application: Any, name: str, loop: asyncio.AbstractEventLoop) -> None:
    method = getattr(application, name, None)
    if method is not None:
        method(loop)
