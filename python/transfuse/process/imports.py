"""Live modules for user code, and values that outlive an update."""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from transfuse import _core
from transfuse.process.install import ensure_installed
from transfuse.process.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import ModuleType

_T = TypeVar("_T")


# The core's own function, because code asks for modules at each call.
import_module = _core.import_module


def import_slowly(name: str | os.PathLike[str]) -> ModuleType:
    """The slow path of `import_module`: there is something to install, load or look at."""
    ensure_installed()
    if isinstance(name, str) and not _is_path(name):
        return _core.import_name(name)
    return _core.import_path(os.path.abspath(name))


def once(key: str, make: Callable[[], _T]) -> _T:
    """Return the value of `key` in the calling module, made by `make` when it is first asked for.

    The value survives updates of the module: it stays the same object. Threads that call this at
    the same time get one value.

    Args:
        key: a name, unique in the calling module.
        make: a callable without arguments; if it raises, nothing is kept.
    """
    ensure_installed()
    scope: str = sys._getframe(1).f_globals.get("__name__", "__main__")
    return _core.once(scope, key, make)


def pin(what: str | None = None) -> _core.Pin:
    """Return a context manager that ties a unit of work to the generation that is current now.

    Imports inside the `with` block, in this thread or task, are of that generation.

    Args:
        what: a name for `status`, such as ``"job 17"``.
    """
    ensure_installed()
    return _core.Pin(what)


class live:
    """A callable that looks up a live one anew at each call, and calls it.

    For code that keeps a function for long: threads, schedulers, signal handlers. Each call is a
    unit of work of its own, pinned until it returns, or, for a coroutine function, until what it
    returns was awaited.

    Args:
        target: ``"package.module:function"``. Whether it exists is found out by the first call.

    Raises:
        TargetError: the target is malformed; at a call: there is no such module or attribute, or
            it is not callable.
    """

    __slots__ = ("__weakref__", "_target")

    def __init__(self, target: str) -> None:
        self._target = Target(target)
        ensure_installed()

    def __repr__(self) -> str:
        return f"transfuse.live({self._target.text!r})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        pin = _core.Pin(self._target.text)
        pin.resume()
        try:
            result = self._target.resolve_callable()(*args, **kwargs)
        except BaseException:
            pin.suspend()
            pin.end()
            raise
        pin.suspend()
        if inspect.iscoroutine(result):
            return _pinned(pin, result)
        pin.end()
        return result


async def _pinned(pin: _core.Pin, work: Coroutine[Any, Any, _T]) -> _T:
    pin.resume()
    try:
        return await work
    finally:
        pin.suspend()
        pin.end()


def _is_path(name: str) -> bool:
    if name.endswith(".py") or os.sep in name:
        return True
    return os.altsep is not None and os.altsep in name
