"""Where does a function of a page run?

The flow of a request is written once, as a coroutine that awaits nothing but what is here. Under
WSGI (`Inline`) everything runs in the thread of the request and the coroutine never waits: `drive`
takes it from end to end. `async def` gets an event loop there, one for the whole request. Under
ASGI (`Threads`) `async def` runs in the server's loop and everything else in a thread, which takes
a copy of the context along, and with it the pin.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

_T = TypeVar("_T")

# What `step` returns when there is no more.
END = object()


class Running(Protocol):
    """What the flow of a request awaits."""

    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function; what it returns is awaited, if it can be."""

    async def step(self, iterator: Any) -> Any:
        """Return what an iterator has next, be it an ordinary or an asynchronous one, or END."""

    async def close(self, iterator: Any) -> None:
        """Let an iterator run its `finally`, if it is a generator or the like."""


def drive(flow: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that never waits, to its end."""
    try:
        flow.send(None)
    except StopIteration as stop:
        result: _T = stop.value
        return result
    flow.close()
    raise RuntimeError("the flow of a WSGI request waited for something")


class Inline:
    """Everything in the thread that asks. `end` must be called when all is done."""

    def __init__(self) -> None:
        # Made when a first coroutine needs it.
        self._loop: asyncio.AbstractEventLoop | None = None

    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return self._run(result) if inspect.isawaitable(result) else result

    async def step(self, iterator: Any) -> Any:
        if isinstance(iterator, AsyncIterator):
            return self._run(_next(iterator))
        return next(iterator, END)

    async def close(self, iterator: Any) -> None:
        if isinstance(iterator, AsyncIterator):
            aclose = getattr(iterator, "aclose", None)
            if aclose is not None:
                self._run(aclose())
        else:
            _close(iterator)

    def end(self) -> None:
        """Do what `asyncio.run` does at its end."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    def _run(self, work: Awaitable[_T]) -> _T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(_awaited(work))


class Threads:
    """Coroutines in the running loop, everything else in threads."""

    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        result = await _in_thread(function, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def step(self, iterator: Any) -> Any:
        if isinstance(iterator, AsyncIterator):
            return await _next(iterator)
        return await _in_thread(next, iterator, END)

    async def close(self, iterator: Any) -> None:
        if not isinstance(iterator, AsyncIterator):
            await _in_thread(_close, iterator)
        elif (aclose := getattr(iterator, "aclose", None)) is not None:
            await aclose()


async def _in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    work = asyncio.ensure_future(asyncio.to_thread(_told, function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        # Nobody can stop a thread: the request, and its pin, last until it has ended.
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()
        raise


def _told(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        # No future takes this one: whoever waits would wait for ever.
        raise RuntimeError(f"{function!r} raised StopIteration") from error


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work


async def _next(iterator: AsyncIterator[Any]) -> Any:
    try:
        return await iterator.__anext__()
    except StopAsyncIteration:
        return END


def _close(iterator: Any) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
