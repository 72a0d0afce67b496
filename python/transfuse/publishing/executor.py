"""Where does a function of a page run?

The flow of a request is written once, as a coroutine that awaits only the methods of `Running`.
Under WSGI (`Inline`) everything runs in the thread of the request and the coroutine never waits:
`drive` takes it from end to end. `async def` gets an event loop there, one for the whole request.
Under ASGI (`Threads`) `async def` runs in the server's loop and everything else in a thread, which
takes a copy of the context along, and with it the pin.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from transfuse.config.logs import get_logger
from transfuse.publishing.contain_exit import awaited, contained, outcome
from transfuse.publishing.stream_steps import Asynchronous, Ordinary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from transfuse.publishing.stream_steps import Steps

log = get_logger("transfuse.publisher")

_T = TypeVar("_T")


class Running(Protocol):
    """The interface between the flow of a request and the protocol that runs it."""

    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, and await its result if that is awaitable.

        Raises:
            Strayed: it raised an exception that would end more than the request.
            BaseException: any other exception that it raises.
        """

    def steps(self, stream: Any) -> Steps:
        """Return the steps of an iterable, be it an ordinary or an asynchronous one.

        They raise the same as `call`.
        """


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
        result = contained(function, *args, **kwargs)
        return self._run(awaited(result)) if inspect.isawaitable(result) else result

    def steps(self, stream: Any) -> Steps:
        if isinstance(stream, AsyncIterable):
            return _InLoop(Asynchronous(stream, self._open()), self._run)
        return Ordinary(stream, self.call)

    def end(self) -> None:
        """Do what `asyncio.run` does at its end; exceptions there do not change the answer."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                try:
                    _run_to_its_end(loop, asyncio.gather(*left, return_exceptions=True))
                finally:
                    for task in left:
                        _tell(task)
            _run_to_its_end(loop, loop.shutdown_asyncgens())
            _run_to_its_end(loop, loop.shutdown_default_executor())
        finally:
            loop.close()

    def _open(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        # A WSGI request is never cancelled: a cancellation is the page's own.
        return contained(self._open().run_until_complete, work)


def _run_to_its_end(loop: asyncio.AbstractEventLoop, work: Awaitable[Any]) -> None:
    """Run the last work of a loop; raise nothing but `KeyboardInterrupt`."""
    future = asyncio.ensure_future(work, loop=loop)
    while not future.done():
        try:
            loop.run_until_complete(future)
        except KeyboardInterrupt:
            raise
        except Exception:
            # The loop cannot be run, and will not run the next time either.
            log.exception("at the end of a request")
            return
        except BaseException:
            # SystemExit leaves the loop: the task that raised it has ended, the others have not.
            log.exception("at the end of a request")


def _tell(task: asyncio.Task[Any]) -> None:
    """Log the exception of a task that is not awaited."""
    if task.done() and not task.cancelled():
        error = task.exception()
        # These have left the loop, and are known there.
        if error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):
            log.error("a task that a page has left behind", exc_info=error)


class _InLoop:
    """Asynchronous steps for callers outside of a loop."""

    def __init__(self, steps: Steps, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._steps = steps
        self._run = run

    async def take(self) -> Any:
        return self._run(self._steps.take())

    async def close(self) -> None:
        self._run(self._steps.close())


class Threads:
    """Coroutines in the running loop, everything else in threads."""

    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await _in_task(function(*args, **kwargs))
        result = await _in_thread(partial(function, *args, **kwargs))
        return await _in_task(result) if inspect.isawaitable(result) else result

    def steps(self, stream: Any) -> Steps:
        if isinstance(stream, AsyncIterable):
            return Asynchronous(stream, asyncio.get_running_loop())
        return Ordinary(stream, self.call)


async def _in_task(work: Awaitable[Any]) -> Any:
    task = asyncio.ensure_future(awaited(work))
    return await outcome(task, task.cancel)


async def _in_thread(function: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    return await outcome(loop.run_in_executor(None, copy_context().run, contained, function))
