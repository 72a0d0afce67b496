"""How does a WSGI server come to serve the current generation?

`wsgi` makes an application that any server can hold for ever. Each request is a unit of work: it
is pinned before the user's application is looked up, and the pin ends when the body was closed.
Between two steps of a body the pin is suspended, for the thread may be given to something else,
and each step may come in another thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse._core import Pin
from transfuse.lifecycle import ensure_installed
from transfuse.served import serve
from transfuse.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def wsgi(target: str) -> WSGIApplication:
    """Return a WSGI application that answers from the current generation.

    Args:
        target: ``"package.module:attribute"``; the attribute is `app` or `application` if left out.

    Returns:
        A WSGI application. A body that a server sends by itself, made by its `wsgi.file_wrapper`,
        is handed through as it is, and the pin has ended by then.

    Raises:
        TargetError: there is no such module or attribute, or it is not callable.
        SettingsError, RootError: as `install`.
        BaseException: whatever the module raises while it is loaded.
    """
    sought = Target(target)
    ensure_installed()
    with Pin():
        serve(sought)
    resolve = sought.resolve

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        pin = Pin(f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}")
        pin.resume()
        try:
            body: Iterable[bytes] = resolve()(environ, start_response)
            foreign = _is_complete(body) or _is_servers_own(body, environ)
        except BaseException:
            pin.suspend()
            pin.end()
            raise
        pin.suspend()
        if foreign:
            pin.end()
            return body
        return _PinnedBody(body, pin)

    return application


def _is_complete(body: Iterable[bytes]) -> bool:
    kind = type(body)
    return kind is list or kind is tuple


def _is_servers_own(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _PinnedBody:
    """A response's body whose steps are taken under the request's pin."""

    __slots__ = ("_body", "_next", "_pin")

    def __init__(self, body: Iterable[bytes], pin: Pin) -> None:
        self._body = body
        # The step of the body's iterator; None until the first is taken.
        self._next: Callable[[], bytes] | None = None
        # None once the pin has ended.
        self._pin: Pin | None = pin

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        pin = self._pin
        if pin is None:
            raise StopIteration
        pin.resume()
        try:
            step = self._next
            if step is None:
                step = self._next = iter(self._body).__next__
            return step()
        finally:
            pin.suspend()

    def close(self) -> None:
        """Close the body and end the pin; only the first call does anything."""
        pin, self._pin = self._pin, None
        if pin is None:
            return
        pin.resume()
        try:
            close: Any = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            pin.suspend()
            pin.end()
