"""How is a stream taken, step by step?

All steps of a stream and its end are in one context, so that what a generator sets in one step it
finds in the next, and can reset at its end; the pin is in that context too. An ordinary iterator is
stepped wherever functions run, in a copy of the context. An asynchronous one is stepped by one
task, from its first step to its end: only so may it hold a timeout or a group of tasks open.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from transfuse.publishing.straying import Strayed, as_error, awaited, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

# What `take` returns when there is no more.
END = object()


class Steps(Protocol):
    """A stream that is being taken."""

    async def take(self) -> Any:
        """Return what comes next, or END."""

    async def close(self) -> None:
        """Let it run its `finally`, if it is a generator or the like."""


class Ordinary:
    """The steps of an iterable.

    Args:
        iterable: asked for its iterator at the first step.
        call: runs a function where functions run.
    """

    def __init__(self, iterable: Iterable[Any], call: Callable[..., Awaitable[Any]]) -> None:
        self._iterable = iterable
        self._iterator: Any = None
        self._call = call
        self._context = copy_context()

    async def take(self) -> Any:
        return await self._call(self._context.run, self._next)

    async def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            await self._call(self._context.run, close)

    def _next(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._iterable)
        return next(self._iterator, END)


class Asynchronous:
    """The steps of an asynchronous iterable, taken by a task of its own.

    Args:
        iterable: asked for its iterator at the first step.
        loop: where the task runs, with a copy of the present context.
    """

    def __init__(self, iterable: AsyncIterable[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._iterable = iterable
        self._loop = loop
        # What is to be done next.
        self._asked: asyncio.Queue[Callable[[Any], Any]] = asyncio.Queue()
        # What came of it; whoever has asked waits for this.
        self._told: asyncio.Future[Any] = loop.create_future()
        self._task = loop.create_task(self._drive())
        self._task.add_done_callback(self._ended)

    async def take(self) -> Any:
        return await self._ask(_take)

    async def close(self) -> None:
        if not self._task.done():
            await self._ask(_close)

    async def _ask(self, what: Callable[[Any], Any]) -> Any:
        if self._task.done():
            raise Strayed("the page has cancelled its stream")
        self._told = self._loop.create_future()
        self._asked.put_nowait(what)
        # Who leaves in the middle of a step ends that step; the end comes after it.
        return await outcome(self._told, self._task.cancel)

    async def _drive(self) -> None:
        iterator: Any = None
        what: Callable[[Any], Any] | None = None
        while what is not _close:
            try:
                what = await self._asked.get()
            except asyncio.CancelledError:
                await awaited(_close(iterator))
                raise
            try:
                if iterator is None:
                    iterator = self._iterable.__aiter__()
                came = await what(iterator)
                self._told.set_result(came)
            except StopAsyncIteration:
                self._told.set_result(END)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:
                self._told.set_exception(as_error(error))
                _forget_cancellation()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell whoever waits that nothing comes any more: the page has ended its own task."""
        if not self._told.done():
            error = None if task.cancelled() else task.exception()
            self._told.set_exception(as_error(error or asyncio.CancelledError()))
            # Whoever waits hears it all the same; there may be nobody.
            self._told.exception()


def _forget_cancellation() -> None:
    """Have the end of a stream run in a task that nobody cancels, as far as it can be told."""
    task: Any = asyncio.current_task()
    # Before Python 3.11 a task does not know that it was cancelled.
    if hasattr(task, "uncancel") and task.cancelling():
        task.uncancel()


async def _take(iterator: Any) -> Any:
    return await iterator.__anext__()


async def _close(iterator: Any) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
