"""The application that a server holds to serve a folder of pages."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from transfuse.publishing import under_asgi, under_wsgi
from transfuse.servers.asgi import run, unit_of_work
from transfuse.servers.wsgi import pinned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from transfuse.publishing.service import Service
    from transfuse.servers.asgi_types import Receive, Scope, Send

_WSGI, _ASGI = 2, 3


class Publisher:
    """A folder of pages, as an ASGI and a WSGI application in one. Made by `publisher`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wsgi = pinned(partial(under_wsgi.serve, service))

    def __repr__(self) -> str:
        return f"transfuse.publisher({self._service.folder!r})"

    @overload
    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse, /
    ) -> Iterable[bytes]: ...
    @overload
    def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Awaitable[None]: ...
    def __call__(self, *arguments: Any) -> Any:
        if len(arguments) == _WSGI:
            return self._wsgi(*arguments)
        if len(arguments) == _ASGI:
            return self._asgi(*arguments)
        raise TypeError(
            "a publisher is called with (environ, start_response), or (scope, receive, send)"
        )

    async def _asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await under_asgi.lifespan(receive, send)
            return
        with unit_of_work(scope) as pin:
            await run(partial(under_asgi.serve, self._service), scope, receive, send, pin)


# Servers that detect the interface of an application check whether it is a coroutine function.
if hasattr(inspect, "markcoroutinefunction"):
    inspect.markcoroutinefunction(Publisher.__call__)
else:
    Publisher.__call__._is_coroutine = (  # type: ignore[attr-defined]
        asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    )
