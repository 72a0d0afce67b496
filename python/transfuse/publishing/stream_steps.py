"""Iterates a stream, step by step.

All steps of a stream and its end are in one context, so that a generator finds the variables that
it set in an earlier step, and can reset them at its end; the pin is in that context too. An
ordinary iterator is stepped wherever functions run, in a copy of the context. An asynchronous one
is stepped by one task, from its first step to its end: only so may it hold a timeout or a group of
tasks open.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from transfuse.publishing.contain_exit import Strayed, as_error, awaited, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

# Returned by `take` at the end.
END = object()


class Steps(Protocol):
    """A stream that is being taken."""

    async def take(self) -> Any:
        """Return the next piece, or END."""

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
        self._iterator: Any = None
        self._loop = loop
        # The next steps to take.
        self._asked: asyncio.Queue[Callable[[Any], Any]] = asyncio.Queue()
        # The outcome of the step that a caller of `take` or `close` waits for.
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
            raise Strayed("the page has cancelled its stream") from _end_of(self._task)
        self._told = self._loop.create_future()
        self._asked.put_nowait(what)
        # A caller that is cancelled in the middle of a step ends that step; `close` comes after it.
        return await outcome(self._told, self._task.cancel)

    async def _drive(self) -> None:
        what: Callable[[Any], Any] | None = None
        # The outcome for the next `take`: the page was cancelled between two steps, by a timeout of
        # its own.
        kept: asyncio.Future[Any] | None = None
        while what is not _close:
            try:
                what = await self._asked.get()
            except asyncio.CancelledError as error:
                kept = await self._cancelled(error)
                continue
            if kept is None or what is _close:
                await _tell(self._told, self._step(what))
            else:
                # It has an outcome already, which this call gets.
                await _tell(self._told, kept)
                kept = None

    async def _step(self, what: Callable[[Any], Any]) -> Any:
        if self._iterator is None:
            self._iterator = self._iterable.__aiter__()
        return await what(self._iterator)

    async def _cancelled(self, error: asyncio.CancelledError) -> asyncio.Future[Any]:
        """Throw a cancellation where a generator stands, as in a task of its own.

        Returns:
            Its outcome.

        Raises:
            CancelledError: it went through, or stays: the stream has ended.
        """
        throw = getattr(self._iterator, "athrow", None)
        if throw is None:
            await awaited(_close(self._iterator))
            raise error
        told: asyncio.Future[Any] = self._loop.create_future()
        await _tell(told, throw(error))
        raised = told.exception()
        # A timeout's error has the cancellation for its cause too.
        cause = raised.__cause__ if isinstance(raised, Strayed) else None
        if isinstance(cause, asyncio.CancelledError):
            raise cause
        if raised is None and _is_cancelled():
            # A timeout that catches it clears the flag. Else a loop that ends would wait for ever.
            await awaited(_close(self._iterator))
            raise error
        return told

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the wait of a caller: the page has ended its own task, and nothing comes any more."""
        if not self._told.done():
            self._told.set_exception(as_error(_end_of(task) or asyncio.CancelledError()))
            # Marks it as retrieved, as there may be no caller; one that waits gets it all the same.
            self._told.exception()


async def _tell(told: asyncio.Future[Any], step: Awaitable[Any]) -> None:
    """Set the outcome of a step."""
    try:
        told.set_result(await step)
    except StopAsyncIteration:
        told.set_result(END)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        told.set_exception(as_error(error))
        _forget_cancellation()


def _end_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return the exception that ended a task, with its frames."""
    try:
        return task.exception()
    except asyncio.CancelledError as error:
        return error


def _is_cancelled() -> bool:
    """Tell whether this task is cancelled, as far as can be known."""
    task: Any = asyncio.current_task()
    # Before Python 3.11 a task does not know that it was cancelled.
    return hasattr(task, "cancelling") and bool(task.cancelling())


def _forget_cancellation() -> None:
    """Have the end of a stream run in a task that is not cancelled, as far as can be known."""
    if _is_cancelled():
        task: Any = asyncio.current_task()
        task.uncancel()


async def _take(iterator: Any) -> Any:
    return await iterator.__anext__()


async def _close(iterator: Any) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
