"""What code that an update supersedes leaves in force, and no run of its successor has replaced.

A signal handler can be set in the main thread only, and code asks for that thread first. A handler
of `logging` that a function made when it was called would be made anew by a later call alone.
"""

from __future__ import annotations

import functools
import logging
import signal
import sys
import weakref
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.updates import import_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# How many calls lie between a function and the handler that it makes, at most.
_DEPTH = 20

# Module -> the handlers of `logging` that its functions made when they were called. An entry leaves
# with the module. Written by the threads that call them.
_made_later: weakref.WeakKeyDictionary[ModuleType, weakref.WeakSet[logging.Handler]] = (
    weakref.WeakKeyDictionary()
)


def made_later(handler: logging.Handler) -> None:
    """Note a handler that was made while no module was being executed."""
    frame = sys._getframe(1)
    for _ in range(_DEPTH):
        if (module := _core.module_of_globals(frame.f_globals)) is not None:
            _made_later.setdefault(module, weakref.WeakSet()).add(handler)
            return
        if frame.f_back is None:
            return
        frame = frame.f_back


def is_made_later(handler: logging.Handler) -> bool:
    """Whether a function of a live module made it, and `notes` tells of it."""
    return any(handler in made for made in list(_made_later.values()))


def notes(superseded: list[ModuleType]) -> list[tuple[str, str]]:
    """Return what stays in force of these modules, as the module's name and what to do.

    Args:
        superseded: the modules that an update is about to replace; the core calls it.
    """
    names = {id(vars(module)): module.__name__ for module in superseded}
    return [*_signals(names), *_handlers(superseded)]


def _signals(names: dict[int, str]) -> Iterator[tuple[str, str]]:
    to_be_set = import_context.signals_to_be_set()
    for number in sorted(signal.valid_signals() - to_be_set):
        module = names.get(id(getattr(_function(signal.getsignal(number)), "__globals__", None)))
        if module is not None:
            yield (
                module,
                f"its former code goes on handling {signal.Signals(number).name}: set the handler"
                " when the application starts, or let the module run in the main thread"
                ' (__thread__ = "main")',
            )


def _function(handler: Any) -> Any:
    while type(handler) is functools.partial:
        handler = handler.func
    return getattr(handler, "__func__", handler)


def _handlers(superseded: list[ModuleType]) -> Iterator[tuple[str, str]]:
    for module in superseded:
        made = list(_made_later.get(module, ()))
        for logger in loggers() if made else ():
            if any(each is one for each in logger.handlers for one in made):
                yield (
                    module.__name__,
                    f"a handler that its function gave to the logger {logger.name!r} stays as it"
                    " is: configure logging while modules are imported, or take the handler out in"
                    " __dispose__",
                )


def loggers() -> list[logging.Logger]:
    """Return all loggers."""
    # Not by `isinstance`: placeholders stand for loggers that are not made yet.
    found: list[Any] = list(logging.Logger.manager.loggerDict.values())
    return [logging.Logger.root, *(each for each in found if hasattr(each, "handlers"))]
