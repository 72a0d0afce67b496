"""What does a page raise that would end more than its request?

`SystemExit` ends a server: an event loop lets it through from whichever task raises it. A stray
`GeneratorExit` or `CancelledError` is taken for somebody else's. So each becomes an ordinary error
where the code of the page runs, before anything of the server sees it. Whether a request is being
cancelled is not told from the error, but by who was cancelled: what a page awaits is in a task of
its own, and nobody but us cancels that. `KeyboardInterrupt` is left alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_STRAYING = (SystemExit, GeneratorExit, asyncio.CancelledError)


class Strayed(RuntimeError):
    """A page raised what would have ended more than its request; that is the cause of this."""


def as_error(error: BaseException) -> BaseException:
    """Return what to raise in place of what a page raised; most errors stay what they are."""
    if isinstance(error, _STRAYING):
        strayed = Strayed(f"the page raised {error!r}")
    elif isinstance(error, StopIteration):
        # No future takes this one: whoever waits would wait for ever.
        strayed = Strayed("the page raised StopIteration")
    else:
        return error
    strayed.__cause__ = error
    return strayed


def contained(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of a page, in a thread where nobody can be cancelled."""
    try:
        return function(*args, **kwargs)
    except (*_STRAYING, StopIteration) as error:
        raise as_error(error) from error


async def awaited(work: Awaitable[Any]) -> Any:
    """Await what is a page's, as the whole of a task. Its other errors are seen by `outcome`."""
    try:
        return await work
    except (SystemExit, StopIteration) as error:
        raise as_error(error) from error


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
