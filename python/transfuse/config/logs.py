"""The loggers of Transfuse, which a program's logging configuration does not switch off in passing.

`logging.config.dictConfig` and `fileConfig` disable every logger that exists and that they do not
name, unless they are told not to. Ours exist before the program is loaded, so refused updates would
never be shown. A level, a filter or `disabled = True` that the program sets on purpose holds.
"""

from __future__ import annotations

import logging
import sys

# The class of loggers -> our subclass of it. Entries are added by `get_logger` and never leave.
_classes: dict[type[logging.Logger], type[logging.Logger]] = {}


def get_logger(name: str) -> logging.Logger:
    """Return the logger of this name, `transfuse` or below it."""
    logger = logging.getLogger(name)
    kind = type(logger)
    if not hasattr(kind, "_disabled_on_purpose"):
        if kind not in _classes:
            _classes[kind] = _lasting(kind)
        was_disabled = logger.disabled
        logger.__class__ = _classes[kind]
        logger.disabled = was_disabled
    return logger


def _lasting(kind: type[logging.Logger]) -> type[logging.Logger]:
    """Return a subclass whose loggers a configuration does not disable."""

    class LastingLogger(kind):  # type: ignore[valid-type, misc]
        _disabled_on_purpose = False

        @property
        def disabled(self) -> bool:
            return self._disabled_on_purpose

        @disabled.setter
        def disabled(self, value: bool) -> None:
            # By name: importing it, and the handlers that it imports, costs each start 3 ms.
            if sys._getframe(1).f_globals.get("__name__") != "logging.config":
                self._disabled_on_purpose = bool(value)

    LastingLogger.__name__ = LastingLogger.__qualname__ = kind.__name__
    return LastingLogger
