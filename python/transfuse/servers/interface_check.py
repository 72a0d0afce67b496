"""Is an application of another kind than it is served as, so that each request would fail?

Reported only if it is certain: of functions, methods, and objects whose class has a `__call__`
written in Python, by what their code takes, and never by a signature that a decorator may have
set. Any other callable passes.
"""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from transfuse.process.target import Target

ServerInterface = Literal["asgi", "wsgi", "rsgi"]

_IN_WORDS = {"asgi": "an ASGI", "wsgi": "a WSGI", "rsgi": "an RSGI"}
# Applications with servers of their own, by the full name of a class: framework, and way in.
_OTHERS = {
    "aiohttp.web_app.Application": (
        "aiohttp",
        'give its routes transfuse.live("shop.views:index") for a handler',
    ),
    "tornado.web.Application": (
        "Tornado",
        'have its handlers call transfuse.live("shop.views:index")',
    ),
    "grpc.aio._server.Server": (
        "gRPC",
        'have its servicers call transfuse.live("shop.service:answer")',
    ),
    "grpc._server._Server": (
        "gRPC",
        'have its servicers call transfuse.live("shop.service:answer")',
    ),
}
_ASGI_ARGUMENTS = 3
# RSGI takes as many.
_WSGI_ARGUMENTS = 2


def interface_mismatch(target: Target, application: Any, served_as: ServerInterface) -> str | None:
    """Return the mismatch and the remedy, in words; None if there is none, or none that shows.

    Args:
        target: how the application is named.
        application: the object that the target names.
        served_as: how it will be called.
    """
    if served_as == "rsgi" and hasattr(application, "__rsgi__"):
        return None
    call = _Call.of(application)
    if call is None:
        return None
    is_one = call.kind()
    if is_one is None or call.goes(served_as):
        return None
    if is_one == "factory":
        return looks_like_a_factory(target)
    return (
        f"{target.text} is {_IN_WORDS[is_one]} application, and each request would fail;"
        f' say transfuse.{is_one}("{target.text}")'
    )


def of_another_kind(target: Target, application: Any) -> str | None:
    """Return what to do with an application that is neither ASGI nor WSGI; None if it is not known.

    Args:
        target: how the application is named.
        application: the object that the target names.
    """
    for each in type(application).__mro__:
        known = _OTHERS.get(f"{each.__module__}.{each.__qualname__}")
        if known is not None:
            framework, way = known
            return (
                f"{target.text} is an application of {framework}, which is neither ASGI nor WSGI"
                f" and has a server of its own: start that in your program, and {way}"
                " (docs/frameworks.md)"
            )
    return None


def is_factory(application: Any) -> bool:
    """Whether it can be called without arguments, and not with a request, for certain."""
    call = _Call.of(application)
    return call is not None and call.kind() == "factory"


def looks_like_a_factory(target: Target) -> str:
    """Return the advice for a target that is a factory."""
    name = ".".join(target.names) or "app"
    return (
        f"{target.text} takes no request, so it looks like a factory: write app = {name}()"
        f" in its module, and name {target.module}:app"
    )


class _Call:
    """The parameters of the code that a call enters."""

    def __init__(self, function: FunctionType, *, bound: bool) -> None:
        code = function.__code__
        self._most = code.co_argcount - bound
        self._least = self._most - len(function.__defaults__ or ())
        self._no_limit = bool(code.co_flags & inspect.CO_VARARGS)
        self._is_coroutine = bool(code.co_flags & inspect.CO_COROUTINE)

    @staticmethod
    def of(application: Any) -> _Call | None:
        """Return it, or None if it does not show."""
        function: object
        if isinstance(application, FunctionType):
            return _Call(application, bound=False)
        if isinstance(application, MethodType):
            function = application.__func__
        elif isinstance(application, type):
            return None  # a metaclass may change the parameters
        else:
            # As Python looks it up: past the object's own attributes and any __getattr__.
            classes = type(application).__mro__
            found = (vars(each)["__call__"] for each in classes if "__call__" in vars(each))
            function = next(found, None)
        return _Call(function, bound=True) if isinstance(function, FunctionType) else None

    def kind(self) -> ServerInterface | Literal["factory"] | None:
        """Which kind of application can be called like this; None: none, or more than one."""
        if self._no_limit:
            return None
        if self._takes(_ASGI_ARGUMENTS):
            return None if self._takes(_WSGI_ARGUMENTS) else "asgi"
        if self._takes(_WSGI_ARGUMENTS):
            return "rsgi" if self._is_coroutine else "wsgi"
        return "factory" if self._takes(0) else None

    def goes(self, served_as: ServerInterface) -> bool:
        """Whether a call as that protocol has it may go well."""
        if served_as == "asgi":
            return self._takes(_ASGI_ARGUMENTS)
        # A coroutine is no body. A plain function may return an awaitable.
        return self._takes(_WSGI_ARGUMENTS) and not (served_as == "wsgi" and self._is_coroutine)

    def _takes(self, count: int) -> bool:
        return self._least <= count and (self._no_limit or count <= self._most)
