"""What does an object have, found without asking it for anything?"""

from __future__ import annotations

from pathlib import PurePath
from types import FunctionType
from typing import Any

from transfuse.source.stores import NO_PLACES, is_a


def is_place(value: object) -> bool:
    return value is not None and not is_a(value, *NO_PLACES, float, tuple, frozenset, PurePath)


def attributes(value: object) -> dict[str, Any]:
    try:
        found: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found


def method_of(kind: type, name: str) -> FunctionType | None:
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    found = getattr(found, "__func__", found) if is_a(found, staticmethod, classmethod) else found
    return found if issubclass(type(found), FunctionType) else None
