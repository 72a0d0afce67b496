"""Handlers of `logging` that a module does not see while it runs again: those of its former run.

Code that configures logging looks first whether that is done: `if not logger.handlers`, as
`basicConfig` does itself. In a fresh process it finds none. In an update the handlers of the former
run serve requests meanwhile, so for the thread that runs the module alone they are not there.
"""

from __future__ import annotations

import logging
from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.config import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# The handlers that former runs gave and that modules of this update have not given again, by id,
# each with its logger. `log_handlers.exchange` empties it. Threads that run these modules write it.
superseded: dict[int, tuple[logging.Logger, logging.Handler]] = {}
# Thread -> how many modules of an update it is running, one within the other. Each thread writes
# its own entry.
_running: dict[int, int] = {}
# The loggers that have a `View`, and what `logging` knows of hidden handlers. Written under its
# lock.
_viewed: list[logging.Logger] = []
_references: list[Any] = []


class View(MutableSequence[logging.Handler]):
    """Stands for the list of a logger's handlers while a thread does not see all of them."""

    def __init__(self, real: list[logging.Handler]) -> None:
        self.real = real

    def _seen(self) -> list[logging.Handler]:
        if native.threading.get_ident() not in _running:
            return self.real
        return [each for each in self.real if id(each) not in superseded]

    def _change(self, change: Callable[[list[logging.Handler]], Any]) -> None:
        seen = self._seen()
        change(seen)
        if seen is not self.real:
            for each in seen:
                superseded.pop(id(each), None)  # it was given to the logger again
            self.real[:] = [*(each for each in self.real if id(each) in superseded), *seen]

    def __getitem__(self, index: Any) -> Any:
        return self._seen()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda seen: seen.__setitem__(index, value))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda seen: seen.__delitem__(index))

    def __len__(self) -> int:
        return len(self._seen())

    def __iter__(self) -> Iterator[logging.Handler]:
        return iter(self._seen())

    def __eq__(self, other: object) -> bool:
        return self._seen() == (list(other) if isinstance(other, View) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._seen())

    def __add__(self, other: list[logging.Handler]) -> list[logging.Handler]:
        return self._seen() + other

    def __radd__(self, other: list[logging.Handler]) -> list[logging.Handler]:
        return other + self._seen()

    def insert(self, index: int, value: logging.Handler) -> None:
        self._change(lambda seen: seen.insert(index, value))

    def copy(self) -> list[logging.Handler]:
        return list(self._seen())


class Hidden(NamedTuple):
    """What `begin` has done.

    Attributes:
        thread: the thread that does not see them.
        before: id of a handler -> its logger, and the ids of the handlers that this had.
    """

    thread: int
    before: dict[int, tuple[logging.Logger, set[int]]]


def begin(former: Iterable[tuple[logging.Logger, logging.Handler]]) -> Hidden:
    """Hide the handlers of a former run from this thread, which is about to run that module again.

    Returns: what `end` takes.
    """
    hidden = Hidden(native.threading.get_ident(), {})
    for logger, handler in former:
        superseded[id(handler)] = (logger, handler)
        hidden.before[id(handler)] = (logger, {id(each) for each in _real(logger)})
    _running[hidden.thread] = _running.get(hidden.thread, 0) + 1
    with _lock():
        for logger, _ in list(superseded.values()):
            handlers: Any = logger.handlers
            if type(handlers) is not View:
                logger.handlers = View(handlers)  # type: ignore[assignment]
                _viewed.append(logger)
        # `dictConfig` closes all that it finds there. Hidden ones go on serving.
        known: list[Any] = vars(logging)["_handlerList"]
        _references.extend(each for each in known if id(each()) in superseded)
        known[:] = [each for each in known if id(each()) not in superseded]
    return hidden


def end(hidden: Hidden) -> None:
    """Show them again: the module has run, or failed.

    Those of a logger to which it has given no other (by `transfuse.once`, say) stay: modules that
    run later see them.
    """
    for handler, (logger, before) in hidden.before.items():
        if all(id(each) in before for each in _real(logger)):
            superseded.pop(handler, None)
    _running[hidden.thread] -= 1
    if not _running[hidden.thread]:
        del _running[hidden.thread]
    if _running:
        return
    with _lock():
        vars(logging)["_handlerList"][:0] = _references
        _references.clear()
        for logger in _viewed:
            logger.handlers = _real(logger)
        _viewed.clear()


def _real(logger: logging.Logger) -> list[logging.Handler]:
    handlers: Any = logger.handlers
    real: list[logging.Handler] = handlers.real if type(handlers) is View else handlers
    return real


def _lock() -> Any:
    """Return the lock of `logging`, by which handlers come and go."""
    return vars(logging)["_lock"]
