"""The levels that module-level code gives to loggers.

A logger keeps its level when an edit takes `setLevel` away. So each level that a module sets while
it is being executed is recorded with it. When an update is over, a logger whose level live code has
set has the one that the last of the modules in use gave it, or the one from before all of them. A
line that is still there and has set nothing this time may be in `transfuse.once`, or behind a flag:
then the level stays.
"""

from __future__ import annotations

import itertools
import logging
import sys
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType, ModuleType

    # A logger, or the manager, whose level is that of `logging.disable`.
    Owner = logging.Logger | logging.Manager
    Levels = weakref.WeakKeyDictionary["Owner", "_Set"]


class _Set(NamedTuple):
    """A level that an execution has set."""

    number: int
    level: int
    line: str  # of the module, as written


_count = itertools.count()
# By execution. An entry leaves with the module. Written by the thread that executes the module.
_set_by: weakref.WeakKeyDictionary[ModuleType, Levels] = weakref.WeakKeyDictionary()
# The executions that are no longer part of the generation. The updating thread writes it.
_over: weakref.WeakSet[ModuleType] = weakref.WeakSet()
# The levels before live code set them, and those that it set last. Written like `_set_by`, and by
# the updating thread when an update is over.
_original: weakref.WeakKeyDictionary[Owner, int] = weakref.WeakKeyDictionary()
_last: weakref.WeakKeyDictionary[Owner, int] = weakref.WeakKeyDictionary()


def install() -> Callable[[], None]:
    """Note each level that module-level code sets.

    Returns: what takes this back.
    """
    manager = logging.Logger.manager
    # Each change of a level calls it, with the level set: `setLevel`, and `logging.disable`.
    original: Callable[[], None] = manager._clear_cache  # type: ignore[attr-defined]
    known: weakref.WeakKeyDictionary[Owner, int] = weakref.WeakKeyDictionary()
    for owner in _owners():
        known[owner] = _level(owner)

    def clear() -> None:
        original()
        frame = sys._getframe(1)
        owner = _owner(frame)
        if owner is not None:
            # A new logger has none.
            before, known[owner] = known.get(owner, logging.NOTSET), _level(owner)
            _note(frame, owner, before)

    def uninstall() -> None:
        if vars(manager).get("_clear_cache") is clear:
            del vars(manager)["_clear_cache"]
        for each in (_set_by, _over, _original, _last):
            each.clear()

    vars(manager)["_clear_cache"] = clear
    return uninstall


def exchange(former: Iterable[ModuleType], by_name: Mapping[str, ModuleType]) -> None:
    """Give loggers the levels that the modules in use have given them: an update is over.

    Args:
        former: executions that are no longer part of the generation, or never were.
        by_name: those that are in use now in their place.
    """
    concerned: set[Owner] = set()
    for module in by_name.values():
        _over.discard(module)
        concerned.update(_set_by.get(module, ()))
    for module in former:
        _over.add(module)
        levels = _set_by.get(module)
        if levels:
            concerned.update(levels)
            _pass_on(levels, by_name.get(module.__name__))
    for owner in concerned:
        all_set = [
            levels[owner]
            for module, levels in list(_set_by.items())
            if owner in levels and module not in _over
        ]
        level = max(all_set).level if all_set else _original[owner]
        # Else other code has set it since.
        if _level(owner) == _last[owner] != level:
            _put(owner, level)
            _last[owner] = level


def _pass_on(levels: Levels, successor: ModuleType | None) -> None:
    """Let a successor have the levels of lines that it has and that have set none."""
    if successor is None:
        return
    own = _set_by.setdefault(successor, weakref.WeakKeyDictionary())
    ran = {each.line for each in own.values()}
    source = _lines(successor)
    for owner, each in list(levels.items()):
        if owner not in own and each.line in source and each.line not in ran:
            own[owner] = each


def _lines(module: ModuleType) -> list[str]:
    """Return the lines of a module, as this execution has them."""
    try:
        text: str = module.__loader__.get_source(module.__name__)  # type: ignore[union-attr]
    except (AttributeError, ImportError, SyntaxError, UnicodeError):
        return []
    return [line.strip() for line in text.splitlines()]


def _owners() -> list[Owner]:
    manager = logging.Logger.manager
    # Not by `isinstance`: placeholders stand for loggers that are not made yet.
    loggers: list[Any] = [each for each in manager.loggerDict.values() if hasattr(each, "level")]
    return [manager, logging.Logger.root, *loggers]


def _level(owner: Owner) -> int:
    return owner.disable if isinstance(owner, logging.Manager) else owner.level


def _put(owner: Owner, level: int) -> None:
    if isinstance(owner, logging.Manager):
        logging.disable(level)
    else:
        owner.setLevel(level)


def _owner(frame: FrameType) -> Owner | None:
    """Return whose level the code of a frame sets."""
    if frame.f_code is logging.Logger.setLevel.__code__:
        owner: Owner = frame.f_locals["self"]
        return owner
    return logging.Logger.manager if frame.f_code is logging.disable.__code__ else None


def _note(frame: FrameType | None, owner: Owner, before: int) -> None:
    """Note a level that was set, if the code of a live module that is being executed did it."""
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    module = None if frame is None else _core.module_of_globals(frame.f_globals)
    if frame is None or module is None:
        return
    lines = _lines(module)
    line = lines[frame.f_lineno - 1] if frame.f_lineno <= len(lines) else ""
    _original.setdefault(owner, before)
    levels = _set_by.setdefault(module, weakref.WeakKeyDictionary())
    _last[owner] = _level(owner)
    levels[owner] = _Set(next(_count), _last[owner], line)
