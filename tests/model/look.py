"""The observable state of an application. The live process and the fresh one run the same code."""

from __future__ import annotations

import gc
import importlib
import sys
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

# Names that begin so hold what earlier calls have left there, which a fresh process has not made.
_KEPT = "kept"


def look(modules: tuple[str, ...]) -> dict[str, Any]:
    """Import `main` and tell everything that can be seen: names, values, types, where from.

    Functions are called last, all values having been looked at: they import lazily.
    """
    try:
        importlib.import_module("main")
    except BaseException as error:
        return {"main": type(error).__name__}
    # Until then a class that a later statement has replaced is in the list of its base class.
    gc.collect()
    loaded = [name for name in modules if name in sys.modules]
    seen: dict[str, Any] = {name: _namespace(sys.modules[name]) for name in loaded}
    for name in loaded:
        for key, value in sorted(vars(sys.modules[name]).items()):
            own = isinstance(value, FunctionType) and value.__module__ == name
            if own and not key.startswith(("__", _KEPT)):
                seen[f"{name}.{key}()"] = _call(value)
    return seen


def _namespace(module: ModuleType) -> dict[str, Any]:
    told = {
        key: _told(getattr(module, key))
        for key in sorted(dir(module))
        if not key.startswith(("__", _KEPT))
    }
    told["__file__"] = ["is none", getattr(module, "__file__", "absent") is None]
    told["__path__"] = ["is there", hasattr(module, "__path__")]
    told["__package__"] = ["str", module.__package__]
    told["__doc__"] = ["str", module.__doc__]
    return told


def _told(value: Any) -> Any:
    if isinstance(value, ModuleType):
        # The very one that everybody else gets.
        same = sys.modules.get(value.__name__)
        return ["module", value.__name__, same is not None and vars(same) is vars(value)]
    if isinstance(value, type):
        bases = [[base.__module__, base.__qualname__] for base in value.__mro__]
        home = sys.modules.get(value.__module__)
        own = home is None or getattr(home, value.__qualname__, value) is value
        return ["class", bases, getattr(value, "V", None), own]
    if isinstance(value, FunctionType):
        return ["function", value.__module__, value.__qualname__]
    if hasattr(value, "read"):
        return ["file"]
    return [type(value).__name__, repr(value)]


def _call(function: FunctionType) -> Any:
    try:
        return _result(function())
    except Exception as error:
        return type(error).__name__


def _result(value: Any) -> Any:
    """Tell what a function has returned, and what that leads to."""
    if isinstance(value, (type, ModuleType)):
        return _told(value)
    if isinstance(value, (MethodType, partial)):
        kept = value.__self__ if isinstance(value, MethodType) else value.func
        return [type(value).__name__, _result(kept)]
    if isinstance(value, FunctionType):
        return ["function", _call(value)]
    if isinstance(value, (list, tuple)):
        return [_result(one) for one in value]
    if "__repr__" not in vars(type(value)) and type(value).__module__ != "builtins":
        return ["object", _told(type(value))]
    return repr(value)
