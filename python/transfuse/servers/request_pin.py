"""In which generation does a request begin?

In the one that is current; but what is part of another request, such as an application that is
mounted in another, begins in the generation of that. The pin in the context does not tell the two
apart: asyncio copies the context in which a task is made, and a server that begins the next
request of a connection where the one before ends (pipelining) does it inside that. So a request is
part of another only if the same task runs both, or if its scope comes from that of the other
(middleware may have an application run in a task of its own).
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

from transfuse._core import Pin
from transfuse.servers.old_frames import log_true_lines
from transfuse.updates import import_context

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from contextvars import Token
    from types import TracebackType

# A task that is cancelled, as at the end of the server, is no failure of the application.
_NO_FAILURE = (asyncio.CancelledError, GeneratorExit)
# The key under which a scope, and so each copy of it, refers to its request.
_MARK = "transfuse.request_pin"


class UnitOfWork:
    """A request, or a websocket connection; a context manager that gives its pin.

    Args:
        what: its name for `status`.
        scope: its scope, if it has one that can be marked.
    """

    __slots__ = ("_before", "_over", "_pin", "_root", "_scope", "_task", "_token", "_what")

    def __init__(self, what: str, scope: MutableMapping[str, Any] | None = None) -> None:
        self._what = what
        self._scope = scope
        # The task that runs it; None outside of asyncio. Copies of the context outlive the unit,
        # so it drops its references at its end.
        self._task: asyncio.Task[Any] | None = None
        self._over = False
        # The outermost request that it is part of.
        self._root = self
        # The former mark of the scope: the request that it comes from.
        self._before: UnitOfWork | None = None

    def __enter__(self) -> Pin:
        self._task = _running_task()
        outer = _RUNNING.get()
        if self._scope is not None:
            self._before = self._scope.get(_MARK)
        marked = self._before
        if outer is None or outer._over:
            self._pin = Pin(self._what)
        elif outer._task is self._task or (marked is not None and marked._root is outer._root):
            self._root = outer._root
            self._pin = Pin(self._what)
        else:
            # In an empty context no pin is in force.
            self._pin = Context().run(Pin, self._what)
        if self._scope is not None:
            self._scope[_MARK] = self
        self._token: Token[UnitOfWork | None] = _RUNNING.set(self)
        pin = self._pin.__enter__()
        if self._root is self:
            pin.begin_request()
            import_context.enter(pin.generation)
        return pin

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over = True
        if error is not None and not isinstance(error, _NO_FAILURE):
            self._pin.failed()
        is_logged = log_true_lines(error, self._what)
        scope, self._scope, self._task = self._scope, None, None
        if scope is not None:
            # A mounted application may share the scope of the one it is mounted in.
            scope[_MARK] = self._before
        # It fails in another context than the one that entered: there is nothing to reset here.
        with suppress(ValueError):
            _RUNNING.reset(self._token)
        self._pin.__exit__(kind, error, traceback)
        if is_logged and error is not None and sys.version_info < (3, 11):
            # There the interpreter keeps the traceback beside the exception, and would put it back.
            raise error


# The innermost request that the context comes from, over or not.
_RUNNING: ContextVar[UnitOfWork | None] = ContextVar("transfuse_unit", default=None)


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
