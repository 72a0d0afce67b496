"""Does a piece of code store something in what it did not make?

Read off its instructions, for functions whose source is not at hand.
"""

from __future__ import annotations

import dis
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

# Names in code that puts something into what it did not make.
_OPTIMIZED_STORES = frozenset({"append", "setdefault", "update", "add", "setattr", "__setattr__"})
# Types whose objects are no place to keep something in.
NO_PLACES = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, str, bytes, int)


def is_a(value: object, *kinds: type) -> bool:
    # A proxy is not asked for its class: it would look up the object that it stands for.
    return issubclass(type(value), kinds)


def stores(code: CodeType) -> bool:
    """Tell whether code puts something into what it did not make, or code in it does."""
    for step in dis.get_instructions(code):
        if step.opname in {"STORE_SUBSCR", "STORE_ATTR", "STORE_GLOBAL"}:
            return True
        if step.opname == "STORE_SLICE":
            return True
        if step.opname == "STORE_DEREF" and step.argval in code.co_freevars:
            return True
        if step.argval in _OPTIMIZED_STORES and step.opname.startswith("LOAD_"):
            return True
    return any(stores(one) for one in code.co_consts if isinstance(one, CodeType))


def stores_call(code: CodeType) -> bool:
    """Tell whether code calls something, and stores something."""
    calls = any(step.opname.startswith("CALL") for step in dis.get_instructions(code))
    return calls and stores(code)


def stores_in_globals(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Tell whether code binds a global, or stores something and uses a global that can hold it."""
    steps = list(dis.get_instructions(code))
    if any(step.opname == "STORE_GLOBAL" for step in steps):
        return True
    used = [namespace.get(step.argval) for step in steps if step.opname == "LOAD_GLOBAL"]
    places = [one for one in used if one is not None and not is_a(one, *NO_PLACES)]
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return bool(places and stores(code)) or any(stores_in_globals(one, namespace) for one in inner)
