"""Threads for tests that start at one instant and never block the run.

`together` starts threads at a barrier; a `Worker` is one thread that keeps its result or error for
the test. All are daemons, so a deadlock is a failed assertion and not a hanging run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Worker(Generic[_T]):
    """A thread that calls one function and starts at once."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work = work
        self._value: _T
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def result(self, cap: float = CAP) -> _T:
        """Return its result or raise its error; AssertionError if it does not end."""
        self._thread.join(cap)
        assert not self._thread.is_alive(), f"still running after {cap} s"
        if self._error is not None:
            raise self._error
        return self._value


def together(count: int, work: Callable[[int], _T]) -> list[_T]:
    """Call `work(number)` in `count` threads at one instant; return the results in that order."""
    barrier = threading.Barrier(count)

    def one(number: int) -> _T:
        barrier.wait(CAP)
        return work(number)

    def worker(number: int) -> Worker[_T]:
        return Worker(lambda: one(number))

    workers = [worker(number) for number in range(count)]
    return [each.result() for each in workers]


def wait(event: threading.Event) -> None:
    """Wait for an event, and fail if it does not come."""
    assert event.wait(CAP), f"waited {CAP} s for an event in vain"
