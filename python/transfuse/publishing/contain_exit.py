"""Exceptions of a page that would end more than its request become ordinary errors.

`SystemExit` ends a server: an event loop lets it through from any task. A stray `GeneratorExit` or
`CancelledError` looks like one of the server's own, and servers do not catch a page's own
`BaseException`. Each is converted where the code of the page runs, before the server sees it. The
error alone does not show whether the request is being cancelled, so an awaitable of a page runs in
a task of its own, which only this file cancels. `KeyboardInterrupt` is left alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

_T = TypeVar("_T")


class Strayed(RuntimeError):
    """A page raised an exception that would have ended more than its request: the cause."""


def as_error(error: BaseException) -> BaseException:
    """Return the exception to raise in place of a page's; most stay as they are."""
    if isinstance(error, StopIteration):
        # A future refuses this one, so its waiter would wait for ever.
        strayed = Strayed("the page raised StopIteration")
    elif isinstance(error, (Exception, KeyboardInterrupt)):
        return error
    else:
        strayed = Strayed(f"the page raised {error!r}")
    strayed.__cause__ = error
    return strayed


def contained(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of a page, where nothing can be cancelled: it waits for nothing."""
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        meant = as_error(error)
        if meant is error:
            raise
        raise meant from error


async def awaited(work: Awaitable[Any]) -> Any:
    """Await an awaitable of a page, as the whole of a task. `outcome` handles other errors."""
    try:
        return await work
    except (SystemExit, StopIteration) as error:
        raise as_error(error) from error


class Contained(Generic[_T]):
    """The flow of a request, to be awaited; contains the code of a page that runs inside it.

    Such code is behind an object's `__access__`, a mapping's `get`, `__html__` and the like. It
    waits for nothing, so a `CancelledError` that was not thrown in is its own.
    """

    def __init__(self, flow: Coroutine[Any, Any, _T]) -> None:
        self._flow = flow

    def __await__(self) -> Generator[Any, Any, _T]:
        step: Callable[[Any], Any] = self._flow.send
        given: Any = None
        cancelled = False
        while True:
            try:
                waited_for = step(given)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            except BaseException as error:
                is_ours = cancelled and isinstance(error, asyncio.CancelledError)
                meant = error if is_ours else as_error(error)
                if meant is error:
                    raise
                raise meant from error
            try:
                step, given = self._flow.send, (yield waited_for)
            except GeneratorExit:
                self._flow.close()
                raise
            except BaseException as error:
                cancelled = cancelled or isinstance(error, asyncio.CancelledError)
                step, given = self._flow.throw, error


async def outcome(work: asyncio.Future[Any], stop: Callable[[], object] | None = None) -> Any:
    """Return the result of a page's work, once it has ended in any case.

    Args:
        work: a task, or a future of a thread. Only this function cancels it.
        stop: called if the request is cancelled meanwhile. A thread cannot be stopped: the request,
            and its pin, last until it has ended.

    Raises:
        CancelledError: the request is cancelled.
        Strayed: the page has raised an exception that would end more than the request.
        BaseException: any other exception of the page.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            # It never raises the work's exception: an error from here is the request's own.
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
            if stop is not None:
                stop()
    raised: BaseException | None
    try:
        raised = work.exception()
    except asyncio.CancelledError as error:
        # With the frames of the page, which it had if the work was a task.
        raised = error
    if cancelled is not None:
        raise cancelled
    if raised is not None:
        raise as_error(raised)
    return work.result()
