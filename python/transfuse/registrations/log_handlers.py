"""The handlers that modules give to loggers, of whatever class they are.

A module that runs again gives its logger a second handler, and each line would be written twice. So
the handlers of a superseded execution leave a logger to which its successor has given handlers; the
successor did not see the former ones (`hidden_handlers`). If it has given the logger none they stay
and pass to it: `transfuse.once` or a flag may be the reason. If they are objects of classes of the
former execution, a note of the update says so.
"""

from __future__ import annotations

import logging
import weakref
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse import _core
from transfuse.registrations import in_force, log_levels
from transfuse.registrations.hidden_handlers import Hidden, begin, end, superseded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from transfuse.registrations.entries import Entry
    from transfuse.registrations.made import Execution


class _Given(NamedTuple):
    """A handler that an execution gave to a logger."""

    logger: logging.Logger
    handler: weakref.ReferenceType[logging.Handler]

    def entry(self) -> Entry | None:
        """Return its entry in the logger's list, if it is still there."""
        # Here and not above: only updates take handlers out.
        from transfuse.registrations.entries import Entry  # noqa: PLC0415

        handler = self.handler()
        is_there = handler is not None and any(each is handler for each in self.logger.handlers)
        return Entry(self.logger.handlers, handler) if is_there else None


# So many loggers are named in a note.
_SHOWN = 3
# By execution. An entry leaves with the module. Written by the thread that executes the module, and
# by the updating thread once it has ended.
_given: weakref.WeakKeyDictionary[ModuleType, list[_Given]] = weakref.WeakKeyDictionary()


def install() -> Callable[[], None]:
    """Note each handler of `logging` when it is made, by the module that its thread executes.

    Returns: what takes this back.
    """
    # Each handler that is made is put into the list of all by this function.
    original: Callable[[logging.Handler], None] = vars(logging)["_addHandlerRef"]

    def add(handler: logging.Handler) -> None:
        original(handler)
        if not _core.handler_made(handler):
            in_force.made_later(handler)

    def uninstall() -> None:
        if vars(logging)["_addHandlerRef"] is add:
            vars(logging)["_addHandlerRef"] = original

    vars(logging)["_addHandlerRef"] = add
    return uninstall


def made(module: ModuleType, handlers: list[weakref.ReferenceType[logging.Handler]]) -> None:
    """Record handlers that the code of a module has made; the core calls it.

    Args:
        module: the module.
        handlers: weak references to the handlers.
    """
    alive = {id(handler): reference for reference in handlers if (handler := reference())}
    given = [
        _Given(logger, alive[id(handler)])
        for logger in in_force.loggers()
        for handler in logger.handlers
        if id(handler) in alive
    ]
    if given:
        _given.setdefault(module, []).extend(given)


def hide(former: ModuleType | None) -> Hidden | None:
    """Hide the handlers of former executions: an update is about to run a module in this thread.

    Args:
        former: its former execution, if there is one.

    Returns: what `show` takes; None if nothing is hidden.
    """
    given = () if former is None else _given.get(former, ())
    there = [(each.logger, handler) for each in given if (handler := each.handler()) is not None]
    return begin(there) if there or superseded else None


def show(hidden: Hidden) -> None:
    """Show them again."""
    end(hidden)


def exchange(
    former: Iterable[Execution], current: Iterable[Execution], *, refused: bool = False
) -> None:
    """Take out the handlers of former executions, or let their successors have them.

    Those that were taken out are added to the record of the former execution.

    Args:
        former: the executions that are no longer part of the generation, or never were.
        current: those that are.
        refused: whether the former ones were to replace the current ones.
    """
    former = list(former)
    by_name = {one.module.__name__: one.module for one in current}
    for one in former:
        given = _given.get(one.module, [])
        successor = by_name.get(one.module.__name__)
        theirs = [] if successor is None else _given.setdefault(successor, [])
        # Whether a handler that the successor gave to a logger is still there.
        there: dict[int, bool] = {}
        for each in theirs:
            there[id(each.logger)] = there.get(id(each.logger), False) or each.entry() is not None
        for each in list(given):
            found = there.get(id(each.logger))
            # A refused `dictConfig()` has closed the handlers that were there, and its own serve.
            stays = found is False if refused else not found
            if stays and successor is not None:
                given.remove(each)
                theirs.append(each)
            elif (entry := each.entry()) is not None and entry.take_out():
                one.record.append(entry)
    superseded.clear()
    log_levels.exchange([one.module for one in former], by_name)


def kept(former: list[Execution], current: list[Execution]) -> list[tuple[str, str]]:
    """Return the modules of whose former code loggers still call something, each with a note.

    Args:
        former: the executions that are no longer part of the generation.
        current: those that are.
    """
    # Here and not above: only updates ask.
    from transfuse.registrations.made import Made  # noqa: PLC0415

    modules = {one.module.__name__ for one in former}
    called = [
        (logger, each)
        for logger in in_force.loggers()
        for each in _called_by(logger)
        if getattr(each, "__module__", None) in modules
    ]
    if not called:
        return []
    made = Made(former, current)
    keys = [(made.key(each), logger.name) for logger, each in called]
    found = sorted({(key.module, logger) for key, logger in keys if key is not None})
    what = "a handler, a filter or a formatter of its former code: restart the server"
    by_module = groupby(found, key=itemgetter(0))
    return [(module, f"{_named([name for _, name in one])} {what}") for module, one in by_module]


def _named(loggers: list[str]) -> str:
    if len(loggers) == 1:
        return f"the logger {loggers[0]} keeps"
    shown, more = loggers[:_SHOWN], len(loggers) - _SHOWN
    rest = [f"{more} more"] if more > 0 else [shown.pop()]
    return f"the loggers {', '.join(shown)} and {rest[0]} keep"


def _called_by(logger: logging.Logger) -> Iterator[Any]:
    """Yield what a logger calls for a record."""
    yield from logger.filters
    for handler in list(logger.handlers):
        if not in_force.is_made_later(handler):
            yield handler
        yield from handler.filters
        yield handler.formatter
