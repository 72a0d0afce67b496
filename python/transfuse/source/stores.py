"""Does code store something in an object that it did not create?

Read off its instructions, for functions whose source is not at hand.
"""

from __future__ import annotations

import dis
from functools import lru_cache
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

# Methods and functions that store something in an object.
_OPTIMIZED_STORES = frozenset({"append", "setdefault", "update", "add", "setattr", "__setattr__"})
# Types whose objects do not count as containers.
NO_PLACES = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, str, bytes, int)


def is_a(value: object, *kinds: type) -> bool:
    # A proxy is not asked for its class: it would look up the object that it stands for.
    return issubclass(type(value), kinds)


# Each new execution of a module has equal code. What is kept leads to no namespace.
@lru_cache(maxsize=512)
def stores(code: CodeType, but: frozenset[str] = frozenset()) -> bool:
    """Tell whether code, or code in it, stores something in an object that it did not create.

    Args:
        code: the code of a function.
        but: parameters. What is put into these objects, or into parts of them, does not count.
    """
    steps = list(dis.get_instructions(code))
    but -= {step.argval for step in steps if step.opname in ("STORE_FAST", "DELETE_FAST")}
    # The variables that lead to the expression on top of the stack, and to the one below it.
    top: str | None = None
    below: str | None = None
    for step in steps:
        name = step.opname
        if name in ("STORE_GLOBAL", "STORE_SLICE"):
            return True
        if name == "STORE_DEREF" and step.argval in code.co_freevars:
            return True
        if (name == "STORE_ATTR" and top not in but) or (
            name == "STORE_SUBSCR" and below not in but
        ):
            return True
        if step.argval in _OPTIMIZED_STORES and name.startswith("LOAD_") and top not in but:
            return True
        top, below = _on_stack(name, step.argval, top, below)
    return any(stores(one) for one in code.co_consts if isinstance(one, CodeType))


def _on_stack(
    name: str, argument: Any, top: str | None, below: str | None
) -> tuple[str | None, str | None]:
    """Return the variables of the two topmost expressions after an instruction, where known."""
    if name.startswith("LOAD_FAST"):
        # One instruction may load two variables, from Python 3.13 on.
        return (argument[1], argument[0]) if isinstance(argument, tuple) else (argument, top)
    if name in ("LOAD_CONST", "LOAD_SMALL_INT"):
        return None, top
    return (top, below) if name in ("LOAD_ATTR", "LOAD_METHOD") else (None, None)


@lru_cache(maxsize=512)
def stores_call(code: CodeType) -> bool:
    """Tell whether code calls something, and stores something."""
    calls = any(step.opname.startswith("CALL") for step in dis.get_instructions(code))
    return calls and stores(code)


def stores_in_globals(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Tell whether code binds a global, or stores something and uses a global that can hold it."""
    binds, loaded = _globals_of(code)
    if binds:
        return True
    used = [namespace.get(name) for name in loaded]
    places = [one for one in used if one is not None and not is_a(one, *NO_PLACES)]
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return bool(places and stores(code)) or any(stores_in_globals(one, namespace) for one in inner)


@lru_cache(maxsize=512)
def _globals_of(code: CodeType) -> tuple[bool, tuple[str, ...]]:
    """Tell whether code binds a global, and name those that it loads."""
    steps = list(dis.get_instructions(code))
    loaded = tuple(step.argval for step in steps if step.opname == "LOAD_GLOBAL")
    return any(step.opname == "STORE_GLOBAL" for step in steps), loaded
