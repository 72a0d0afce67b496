"""What is to be seen of a package: the names of its modules, and what each stands for?

The same code looks in the updated process and in the fresh one (`python -m replay.look`), as
foreign code, and writes down values that JSON has: of functions the signature and a digest of the
code with its constants, of classes their ancestors and attributes, of plain data the value. Private
names are looked at like public ones, as most changes between two releases are theirs. Of classes
and functions it says whether they are what is found under their name, which those of a former
release would not be.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import json
import re
import sys
import warnings
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Seen = dict[str, Any]
# Special names of modules that a release sets; the others are the import system's.
_SPECIAL = frozenset({"__all__", "__doc__", "__version__", "__author__"})
# Attributes that no two processes agree on: the hash of None was an address before Python 3.12.
_UNSTEADY = frozenset({"_EMPTY_HASH"})
_PLAIN = (str, bytes, int, float, complex, bool, type(None), re.Pattern)


def look(modules: Iterable[str], probe: str) -> Seen:
    """Return what the probe finds, and what is to be seen of each module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _probe(probe)
        # All of them first, as a package shows those of its submodules that are loaded.
        loaded = {name: _loaded(name) for name in modules}
        return {"probe": found, **{name: _module(each) for name, each in loaded.items()}}


def _probe(name: str) -> Any:
    try:
        # Through JSON, as that of the fresh process comes.
        return json.loads(json.dumps(importlib.import_module(name).result()))
    except Exception as error:
        return _raised(error)


def _loaded(name: str) -> ModuleType | str:
    try:
        return importlib.import_module(name)
    except Exception as error:
        return _raised(error)


def _module(module: ModuleType | str) -> Any:
    if isinstance(module, str):
        return module
    seen = {}
    for each in dir(module):
        if each in _SPECIAL or not each.startswith("__"):
            try:
                seen[each] = _value(getattr(module, each))
            except Exception as error:
                seen[each] = _raised(error)
    return seen


def _raised(error: Exception) -> str:
    return f"raises {type(error).__name__}: {_steady(str(error))}"


def _value(value: Any) -> Any:
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return _class(value)
    if isinstance(value, FunctionType):
        return {**_function(value), "found": _found(value)}
    # Such as `functools.lru_cache` makes; statically, as an object may answer to any name.
    wrapped = inspect.getattr_static(value, "__wrapped__", None)
    if isinstance(wrapped, FunctionType):
        return {"kind": _name(type(value)), "wrapped": _function(wrapped)}
    return _data(value)


def _class(value: type) -> dict[str, Any]:
    # An enum's own `__dir__` leaves methods out.
    names = set(type.__dir__(value)) - _UNSTEADY
    attributes = {each: _member(value, each) for each in sorted(names)}
    ancestors = [_name(each) for each in value.__mro__]
    return {"class": ancestors, "found": _found(value), "attributes": attributes}


def _data(value: Any) -> str:
    kind = _name(type(value))
    return f"{kind} {_steady(_told(value))}" if _is_plain(value) else kind


def _member(owner: type, name: str) -> Any:
    member = inspect.getattr_static(owner, name)
    parts = {
        part: _function(inner)
        for part in ("__func__", "__wrapped__", "fget", "fset", "fdel", "func")
        if isinstance(inner := getattr(member, part, None), FunctionType)
    }
    if isinstance(member, FunctionType):
        return _function(member)
    if isinstance(member, type) and _name(member).startswith(f"{_name(owner)}."):
        return _class(member)
    return {"kind": _name(type(member)), **parts} if parts else _data(member)


def _function(function: FunctionType) -> dict[str, Any]:
    try:
        signature = _steady(str(inspect.signature(function)))
    except (TypeError, ValueError) as error:
        signature = _raised(error)
    seen = {
        "function": f"{function.__module__}.{function.__qualname__}",
        "signature": signature,
        "code": hashlib.sha256(_told(function.__code__).encode()).hexdigest()[:16],
    }
    wrapped = getattr(function, "__wrapped__", None)
    return {**seen, "wrapped": _function(wrapped)} if isinstance(wrapped, FunctionType) else seen


def _told(value: Any) -> str:
    """What `repr` says, the same in each process: without addresses, sets in order."""
    if isinstance(value, CodeType):
        names = (value.co_name, value.co_names, value.co_varnames, value.co_firstlineno)
        return f"{names!r} {value.co_code!r} {_told(value.co_consts)}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(_told, value))})"
    if isinstance(value, frozenset):
        return f"frozenset({', '.join(sorted(map(_told, value)))})"
    if isinstance(value, re.Pattern):
        return f"{value.pattern!r} {value.flags}"
    return repr(value)


def _found(value: Any) -> bool:
    """Whether it is what pickle would find under its name."""
    found: Any = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list, frozenset)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(each) for item in value.items() for each in item)
    return type(value) in _PLAIN


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _steady(text: str) -> str:
    """The text without what no two processes agree on: addresses, and where the root lies."""
    return re.sub(r" at 0x[0-9a-f]+|/[^\s'\"]*/root(?=[/'\"])", "", text)


def main() -> None:
    """Look in this fresh process; arguments come as JSON, and so goes what is seen."""
    asked = json.load(sys.stdin)
    sys.path.insert(0, asked["root"])
    with contextlib.redirect_stdout(sys.stderr):
        seen = look(asked["modules"], asked["probe"])
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
