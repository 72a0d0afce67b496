"""How does a WSGI server come to serve the current generation?

`wsgi` makes an application that any server can hold for ever. Each request is a unit of work: it
is pinned before the user's application is looked up, and the pin ends when the body was closed.
Between two steps of a body the pin is suspended, for the thread may be given to something else,
and each step may come in another thread. The core has the code of a request (`wsgi.rs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfuse._core import WsgiApplication
from transfuse.servers.target_check import serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def wsgi(target: str) -> WSGIApplication:
    """Return a WSGI application that answers from the current generation.

    Args:
        target: ``"package.module:attribute"``; the attribute is `app` or `application` if left out.

    Returns:
        A WSGI application. A body that a server sends by itself, made by its `wsgi.file_wrapper`,
        is handed through as it is, and the pin has ended by then.

    Raises:
        TargetError: there is no such module or attribute, or it is no WSGI application.
        SettingsError, RootError: as `install`.
        BaseException: the module raises it while it is loaded.
    """
    sought = serve(target, "wsgi")
    return WsgiApplication(sought.module, sought.names, sought.resolve)


def pinned(application: WSGIApplication) -> WSGIApplication:
    """Return an application each of whose requests is a unit of work, its body included."""
    return WsgiApplication("", (), lambda: application)
