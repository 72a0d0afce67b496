"""What does a page raise that would end more than its request?

`SystemExit` ends a server: an event loop lets it through from whichever task raises it. A stray
`GeneratorExit` or `CancelledError` is taken for somebody else's, and no server looks for what is
no `Exception`, such as a page's own `BaseException`. So each becomes an ordinary error where the
code of the page runs, before anything of the server sees it. Whether a request is being cancelled
is not told from the error, but by who was cancelled: what a page awaits is in a task of its own,
and nobody but us cancels that. `KeyboardInterrupt` is left alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

_T = TypeVar("_T")


class Strayed(RuntimeError):
    """A page raised what would have ended more than its request; that is the cause of this."""


def as_error(error: BaseException) -> BaseException:
    """Return what to raise in place of what a page raised; most errors stay what they are."""
    if isinstance(error, StopIteration):
        # No future takes this one: whoever waits would wait for ever.
        strayed = Strayed("the page raised StopIteration")
    elif isinstance(error, (Exception, KeyboardInterrupt)):
        return error
    else:
        strayed = Strayed(f"the page raised {error!r}")
    strayed.__cause__ = error
    return strayed


def contained(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of a page, where nobody can be cancelled: it waits for nothing."""
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        meant = as_error(error)
        if meant is error:
            raise
        raise meant from error


async def awaited(work: Awaitable[Any]) -> Any:
    """Await what is a page's, as the whole of a task. Its other errors are seen by `outcome`."""
    try:
        return await work
    except (SystemExit, StopIteration) as error:
        raise as_error(error) from error


class Contained(Generic[_T]):
    """The flow of a request, to be awaited: what of a page runs in it is contained as well.

    That is what stands behind an object's `__access__`, a mapping's `get`, `__html__` and the like.
    They wait for nothing, so a `CancelledError` that nobody has thrown in is theirs.
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
    """Return what a page's work comes to, once it has ended in any case.

    Args:
        work: a task, or a future of a thread. Nobody else cancels it.
        stop: called if the request is cancelled meanwhile. A thread cannot be stopped: the request,
            and its pin, last until it has ended.

    Raises:
        CancelledError: the request is cancelled.
        Strayed: the page has raised what would end more than the request.
        BaseException: whatever else the page has raised.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            # It never raises what the work raises: an error from here is the request's own.
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
