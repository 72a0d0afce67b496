"""How does an ASGI server come to serve the current generation?

`asgi` makes an application that any server can hold for ever. A request, and a websocket
connection, is a unit of work (`request_pin`): one pin around the whole of it. `lifespan_manager`
answers the server's lifespan and gives each generation's application its own; `connection_drain`
ends long connections of former generations.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from transfuse._core import counted_send
from transfuse.servers import closing_connections
from transfuse.servers.connection_drain import Connection, ends_connections, register
from transfuse.servers.lifespan_manager import LifespanManager
from transfuse.servers.request_pin import UnitOfWork
from transfuse.servers.target_check import serve

if TYPE_CHECKING:
    from transfuse._core import Pin
    from transfuse.servers.asgi_types import Application, Receive, Scope, Send


def asgi(target: str) -> Application:
    """Return an ASGI application (version 3) that answers from the current generation.

    Each generation's application has a lifespan of its own: the startup of the next one runs before
    it is published, and refuses the update if it fails; the shutdown of the former one runs after
    its last request. `scope["state"]` is that of its own startup.

    Args:
        target: ``"package.module:attribute"``; the attribute is `app` or `application` if left out.

    Raises:
        TargetError: there is no such module or attribute, or it is no ASGI application.
        SettingsError, RootError: as `install`.
        BaseException: the module raises it while it is loaded.
    """
    sought = serve(target, "asgi")
    register()
    resolve = sought.resolve
    # The lifespans of the running servers, by event loop; each belongs to its loop's thread.
    running: dict[asyncio.AbstractEventLoop, list[LifespanManager]] = {}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            loop = _running_loop()
            if loop is None:
                # Another library's loop: the first generation's lifespan serves all.
                await resolve()(scope, receive, send)
                return
            lifespans = LifespanManager(sought, scope)
            running.setdefault(loop, []).append(lifespans)
            try:
                await lifespans.serve(receive, send)
            finally:
                running[loop].remove(lifespans)
                if not running[loop]:
                    del running[loop]
            return
        if closing_connections.under_way and scope.get("http_version", "1.1") < "2":
            send = closing_connections.last(send)
        with unit_of_work(scope) as pin:
            found = resolve()
            lifespans_here = _of_its_server(scope, running) if running else None
            lifespan = lifespans_here.begin_request(found, scope) if lifespans_here else None
            try:
                await run(found, scope, receive, send, pin)
            finally:
                if lifespan is not None and lifespans_here is not None:
                    lifespans_here.leave(lifespan)

    # A server of another kind calls it with other arguments; Python's own error begins with this.
    application.__qualname__ = f"transfuse.asgi({target!r}) is for ASGI servers: application"
    return application


def _of_its_server(
    scope: Scope, running: dict[asyncio.AbstractEventLoop, list[LifespanManager]]
) -> LifespanManager | None:
    """Return the lifespans of the server that a request has come by, as far as can be known."""
    here = running.get(_running_loop())  # type: ignore[arg-type]
    if not here:
        return None
    if len(here) > 1:
        for each in here:
            if each.serves(scope):
                return each
    return here[-1]


def unit_of_work(scope: Scope) -> UnitOfWork:
    """Return the unit of one request, or of one websocket connection; entering it gives its pin."""
    return UnitOfWork(f"{scope.get('method', scope['type'])} {scope.get('path', '')}", scope)


async def run(
    application: Application, scope: Scope, receive: Receive, send: Send, pin: Pin
) -> None:
    """Have an application answer within its unit of work; it may be told that it is to end."""
    send = counted_send(pin, send)
    if ends_connections():
        await Connection(scope, receive, send, pin.generation).run(application)
    else:
        await application(scope, receive, send)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
