"""Ends kept-alive connections with their next response, when a process hands them over.

A response with ``Connection: close`` tells client and server that no further request follows, so
that no request is on its way when the connection ends. HTTP/2 has no such header; there the server
ends connections by a message of its own (GOAWAY), which loses nothing either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse

    from transfuse.servers.asgi_types import Message, Send

# Whether responses that begin from now on are the last of their connections. Only ever set to true.
under_way = False


def begin(application: object) -> None:
    """Let each response that begins from now on be the last of its connection.

    Args:
        application: the object that the server holds, as `wsgi` or `asgi` made it.
    """
    global under_way  # noqa: PLW0603 - all connections of this process
    under_way = True
    if type(application) is _core.WsgiApplication:
        application.wrap_start_response(_last_of_wsgi)


def last(send: Send) -> Send:
    """Return a `send` whose response is the last of its connection."""

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, value)
                for name, value in message.get("headers", ())
                if bytes(name).lower() != b"connection"
            ]
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await send(message)

    return send_last


def _last_of_wsgi(start_response: StartResponse) -> Callable[..., Any]:
    def start_last(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        kept = [(name, value) for name, value in headers if name.lower() != "connection"]
        return start_response(status, [*kept, ("Connection", "close")], *more)

    return start_last
