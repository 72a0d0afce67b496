"""How does the updating thread run something in a server's event loop, and wait for the result?

The updating thread sends a `LoopCall`, the loop's thread sets its result. The wait is bounded: it
ends after the setting `time_limit`, when the loop has ended, and when the loop's own thread waits
for the update. A result that comes after that is discarded, and the loop's side learns of it.
"""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from transfuse.config.native import time
from transfuse.errors import StartupFailed, TransfuseError
from transfuse.process.install import installed_settings
from transfuse.updates import participants

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

T = TypeVar("T")

# How often the updating thread checks whether to go on waiting, in seconds.
_SLICE = 0.5


class LoopCall(Generic[T]):
    """A call that runs in an event loop for an update.

    Args:
        loop: the event loop.
        thread: the thread that it runs in, by its `threading.get_ident`.
        what: its name in errors, such as ``"the application's startup"``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int, what: str) -> None:
        # The loop's thread writes it while it goes on from one thing to another.
        self.what = what
        self._loop = loop
        self._thread = thread
        # The loop's thread sets the result, the updating one cancels; the first of them wins.
        self._done: concurrent.futures.Future[T] = concurrent.futures.Future()

    # The updating thread.

    def send(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have `function` called in the loop, in a copy of this context: pinned as this thread is.

        Raises:
            StartupFailed: the loop is closed.
            TransfuseError: the loop's thread waits for the update.
        """
        self._check()
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            raise StartupFailed("the server's event loop has ended") from None

    def wait(self, is_over: Callable[[], bool]) -> T:
        """Return the result.

        Args:
            is_over: whether there will be none, because the server ends.

        Raises:
            StartupFailed: it takes too long, or the server has ended.
            TransfuseError: the loop's thread waits for the update.
            BaseException: the exception of the call.
        """
        settings = installed_settings()
        limit = settings.time_limit if settings else 0.0
        until = time.monotonic() + limit
        try:
            while not self._done.done():
                left = until - time.monotonic()
                if left <= 0:
                    raise StartupFailed(
                        f"{self.what} took longer than the setting time_limit ({limit:g} s)"
                    )
                self._check()
                if is_over():
                    raise StartupFailed("the server is ending")
                concurrent.futures.wait([self._done], min(_SLICE, left))
        except Exception:
            if self._done.cancel():
                raise
            # Its result was set at this very moment.
        except BaseException:
            self._done.cancel()
            raise
        error = self._done.exception()
        if error is not None:
            # Not by `result()`: its frames would stand between the update and the user's.
            raise error
        return self._done.result()

    def _check(self) -> None:
        if self._loop.is_closed():
            raise StartupFailed("the server's event loop has ended")
        if participants.waits_for_update(self._thread):
            raise TransfuseError(
                "the application's startup runs in the event loop, which waits for this very"
                " update; call it as 'await asyncio.to_thread(transfuse.update)'"
            )

    # The loop's thread.

    @property
    def is_given_up(self) -> bool:
        """Whether the updating thread has stopped waiting."""
        return self._done.cancelled()

    def when_given_up(self, call: Callable[[], object]) -> None:
        """Have `call` called in the loop when the updating thread stops waiting."""

        def told(done: concurrent.futures.Future[T]) -> None:
            if done.cancelled() and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(call)

        self._done.add_done_callback(told)

    def set_result(self, result: T) -> bool:
        """Hand over the result; return whether the updating thread still waits for it."""
        if self._done.cancelled() or not self._done.set_running_or_notify_cancel():
            return False
        self._done.set_result(result)
        return True

    def set_exception(self, error: BaseException) -> None:
        """Hand over an exception, also one that must not be raised in an event loop."""
        if not self._done.cancelled() and self._done.set_running_or_notify_cancel():
            self._done.set_exception(error)
