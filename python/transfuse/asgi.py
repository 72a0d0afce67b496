"""How does an ASGI server come to serve the current generation?

`asgi` makes an application that any server can hold for ever. A request, and a websocket
connection, is a unit of work: one pin around the whole of it. The lifespan goes to the
application of the generation that is current when the server starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from transfuse._core import Pin
from transfuse.lifecycle import ensure_installed
from transfuse.target import Target

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_STARTED = ("lifespan.startup.complete", "lifespan.startup.failed")


def asgi(target: str) -> Application:
    """Return an ASGI application (version 3) that answers from the current generation.

    Args:
        target: ``"package.module:attribute"``; the attribute is `app` or `application` if left out.

    Raises:
        TargetError: there is no such module or attribute, or it is not callable.
        SettingsError, RootError: as `install`.
        BaseException: whatever the module raises while it is loaded.
    """
    sought = Target(target)
    ensure_installed()
    with Pin():
        sought.resolve_callable()
    resolve = sought.resolve

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(resolve, scope, receive, send)
            return
        with Pin(f"{scope.get('method', scope['type'])} {scope.get('path', '')}"):
            await resolve()(scope, receive, send)

    return application


async def _lifespan(
    resolve: Callable[[], Application], scope: Scope, receive: Receive, send: Send
) -> None:
    """Run one application's lifespan, from startup to shutdown.

    It is pinned until it has started. A pin for all of its life would keep the first generation
    from being retired for as long as the server runs; the code that the lifespan needs for its
    shutdown is held by the lifespan itself. What an application without a lifespan raises goes to
    the server, which is how it learns of that.
    """
    pin = Pin()
    pin.resume()
    started = False

    def unpin() -> None:
        nonlocal started
        if not started:
            started = True
            pin.end()

    async def send_and_unpin(message: Message) -> None:
        await send(message)
        if message["type"] in _STARTED:
            unpin()

    try:
        await resolve()(scope, receive, send_and_unpin)
    finally:
        pin.suspend()
        unpin()
