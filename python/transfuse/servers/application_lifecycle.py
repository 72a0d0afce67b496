"""When does the application of a generation start, and when does a former one end?

A server holds one application of ours, behind which each generation has its own, a
`ServedApplication`. It starts while its generation is staged, and the update is refused if that
fails; it ends after its last request once another is current. An application that an update does
not replace goes on. ASGI (`lifespan_manager`) and RSGI (`rsgi`) define how to start and end one.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from transfuse import _core
from transfuse.errors import Outdated, StartupFailed, TargetError
from transfuse.servers.loop_call import LoopCall
from transfuse.updates import import_context, main_thread, participants

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from transfuse.process.target import Target


class ServedApplication:
    """One application of a server, from its beginning to its end."""

    def __init__(self, application: Any) -> None:
        self.application = application
        # Requests under way, and its own startup if an update could overtake that.
        self.units = 0
        # Whether another application is current; it ends with its last request then.
        self.superseded = False

    def references(self) -> list[Any]:
        """Return objects that lead to the application."""
        return [self]


T = TypeVar("T", bound=ServedApplication)


class ApplicationLifecycle(participants.Holder, Generic[T]):
    """All applications of one target under one server; takes part in updates once it has joined.

    Must be made in the event loop's thread, which calls every method and writes every attribute
    that is not said to be the updating thread's.

    Args:
        target: of the application.
        resolve: returns the application of the generation that the caller is pinned to.
        loop: the server's event loop.
    """

    order = 10
    what = "the application's startup"

    def __init__(
        self, target: Target, resolve: Callable[[], Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._target = target
        self._resolve = resolve
        self._loop = loop
        self._thread = threading.get_ident()
        main_thread.served_by(loop)
        # Started applications by `key_of`. An entry leaves when its end begins.
        self._all: dict[object, T] = {}
        # That of the current generation, as the loop knows it, which learns of an update a moment
        # after it was published. None before the first.
        self._current: T | None = None
        # Whether the server ends, so that no application starts any more.
        self._ended = False
        # The same as the updating thread knows it, which writes it. If no update has come before,
        # the loop's thread writes the first one; hence the lock.
        self._served: T | None = None
        self._lock = threading.Lock()
        # The application of the staged generation, until the update has ended; None: the current
        # one stays. The loop's thread writes it before it sets the result of the call.
        self._next: T | None = None

    # For subclasses, which know the protocol.

    def begin(self, application: Any, generation: int, call: LoopCall[T]) -> None:
        """Start an application for an update, and then `offer` it, or fail the call."""
        raise NotImplementedError

    def end(self, served: T) -> None:
        """End one that is no longer used. Must not raise."""
        raise NotImplementedError

    def has_end(self, served: T) -> bool:
        """Whether its end runs code of the application, after which it cannot be served again."""
        raise NotImplementedError

    # Called by `updates.participants`, in the updating thread.

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Begin the staged generation's application, if it is another.

        Raises:
            StartupFailed, TransfuseError: as `LoopCall.send` and `LoopCall.wait`.
            BaseException: its startup raises it.
        """
        self._next = None
        application = self._resolve()
        served = self._served
        if served is not None and key_of(served.application) == key_of(application):
            return
        call: LoopCall[T] = LoopCall(self._loop, self._thread, "the application's startup")
        context = copy_context()
        context.run(import_context.enter, generation)
        context.run(call.send, self._take_up, application, generation, call)
        call.wait(lambda: self._ended)

    def references(self) -> list[Any]:
        """Return what leads to the application that was started for the staged generation."""
        return [] if self._next is None else self._next.references()

    def published(self, generation: int) -> None:  # noqa: ARG002
        """Let the former applications end with their last requests."""
        following, self._next = self._next, None
        if following is not None:
            with self._lock:
                self._served = following
            self._call(self._switch, following)

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """End the application that was started in vain."""
        following, self._next = self._next, None
        if following is not None:
            self._call(self._supersede, following)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed: the server has gone without a word.
            participants.unregister(self)

    # From here on: the event loop's thread.

    def enter(self, application: Any) -> T | None:
        """A request begins; return its application for `leave`, if it is known."""
        found = self._all.get(key_of(application))
        if found is not None:
            found.units += 1
        return found

    def leave(self, served: T) -> None:
        """A request is over."""
        served.units -= 1
        if served.superseded and not served.units:
            self._let_end(served)

    def first(self, served: T) -> None:
        """Take up the application that the server begins with; its startup counts as a unit."""
        served.units += 1
        self._all[key_of(served.application)] = self._current = served
        with self._lock:
            self._served = self._served or served

    def offer(self, served: T, call: LoopCall[T]) -> None:
        """It has begun: hand it to the update that waits for it, or end it if none does."""
        self._all[key_of(served.application)] = served
        if self._ended:
            # The end of the server ends this one with the others.
            call.set_exception(StartupFailed("the server is ending"))
            return
        self._next = served
        if not call.set_result(served):
            self._next = None
            self._supersede(served)

    def _take_up(self, application: Any, generation: int, call: LoopCall[T]) -> None:
        if call.is_given_up:
            return
        if self._ended:
            call.set_exception(StartupFailed("the server is ending"))
            return
        old = self._all.get(key_of(application))
        if old is not None and (old.units or old is self._current):
            # Back to an application that still has requests: it has never ended.
            old.superseded = False
            self.offer(old, call)
        elif _core.is_shut_down(self._target.module):
            # Since the rollback was begun, which begins again and makes it anew.
            call.set_exception(Outdated("the application was shut down meanwhile"))
        else:
            self.begin(application, generation, call)

    def _switch(self, current: T) -> None:
        if self._ended:
            return
        self._current = current
        for each in list(self._all.values()):
            self._supersede(each)

    def _supersede(self, served: T) -> None:
        served.superseded = served is not self._current
        if served.superseded and not served.units:
            self._let_end(served)

    def _let_end(self, served: T) -> None:
        key = key_of(served.application)
        if not self._ended and self._all.get(key) is served:
            del self._all[key]
            if self.has_end(served):
                self._mark_shut_down(key)
            self.end(served)

    def _mark_shut_down(self, key: object) -> None:
        """Note that a rollback has to make it anew."""

        def is_it(module: ModuleType) -> bool:
            try:
                return key_of(self._target.of(module)) == key
            except TargetError:
                return False

        _core.mark_shut_down(self._target.module, is_it)


def key_of(application: Any) -> object:
    """Return a key for an application, valid for as long as the application is referenced."""
    # A bound method is another object at each look, and equal to the one before.
    return application if isinstance(application, MethodType) else id(application)
