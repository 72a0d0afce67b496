"""Encodes values for which JSON has no type of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID


def plain(value: Any) -> Any:
    """Return a value of JSON's own types; `json` refuses values of unknown types.

    Times are text by ISO 8601, `Decimal` and `UUID` are text, members of an enum are their values,
    dataclasses are dicts, sets are lists. Keys of dicts are understood in the same way.
    """
    value = _word(value)
    if isinstance(value, Mapping):
        return {_word(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if is_record(value):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return value


def is_record(value: Any) -> bool:
    """Tell whether a value is an object of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _word(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, UUID)) else value
