"""What is to be seen of a package: the names of its modules, and what each stands for?

The same code looks in the updated process and in the fresh one (`python -m replay.look`), as
foreign code, and writes down values that JSON has. Of functions it takes the signature and a digest
of the code, of classes their ancestors and public attributes, of plain data the value. Of classes
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
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Seen = dict[str, Any]
# Special names that a release sets, beside the public ones.
_SPECIAL = frozenset({"__all__", "__doc__", "__version__", "__author__"})
_PLAIN = (str, bytes, int, float, complex, bool, type(None))


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
        if each in _SPECIAL or not each.startswith("_"):
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
        attributes = {each: _member(value, each) for each in dir(value) if each[:1] != "_"}
        ancestors = [_name(each) for each in value.__mro__]
        return {"class": ancestors, "found": _found(value), "attributes": attributes}
    if isinstance(value, FunctionType):
        return {**_function(value), "found": _found(value)}
    kind = _name(type(value))
    return f"{kind} {value!r}" if _is_plain(value) else kind


def _member(owner: type, name: str) -> Any:
    member = inspect.getattr_static(owner, name)
    inner = getattr(member, "__func__", getattr(member, "fget", member))
    kind = _name(type(member))
    return {"kind": kind, **_function(inner)} if isinstance(inner, FunctionType) else kind


def _function(function: FunctionType) -> dict[str, str]:
    code = function.__code__
    told = (code.co_code, code.co_names, code.co_varnames, code.co_firstlineno)
    try:
        signature = _steady(str(inspect.signature(function)))
    except (TypeError, ValueError) as error:
        signature = _raised(error)
    return {
        "function": f"{function.__module__}.{function.__qualname__}",
        "signature": signature,
        "code": hashlib.sha256(repr(told).encode()).hexdigest()[:16],
    }


def _found(value: Any) -> bool:
    """Whether it is what pickle would find under its name."""
    found: Any = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
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
