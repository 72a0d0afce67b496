"""Describes where an object of a page is defined, for its author.

By file and name, and never by its `repr`, which may show a secret.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.publishing.pages import own_names

if TYPE_CHECKING:
    from collections.abc import Mapping


def where(value: Any) -> str:
    """Return such as ``"/srv/site/staff.py"`` or ``"show in /srv/site/staff.py"``.

    Args:
        value: a function, a method, a class, an object, a module or the namespace of one.
    """
    if isinstance(value, MethodType):
        value = value.__func__
    if issubclass(type(value), ModuleType):
        value = vars(value)
    if type(value) is dict:
        return _file_in(value)
    if type(value) is FunctionType:
        code: CodeType = value.__code__
        return f"{value.__qualname__} in {code.co_filename}"
    wrapped = getattr(value, "__wrapped__", None) if callable(value) else None
    if type(wrapped) is FunctionType:
        return where(wrapped)
    cls = value if isinstance(value, type) else type(value)
    module = sys.modules.get(str(own_names(cls).get("__module__")))
    file = "" if module is None else _file_in(vars(module))
    return f"{cls.__qualname__} in {file}" if file else cls.__qualname__


def kind(value: object) -> str:
    """Return the kind of a value, and nothing of its content, such as ``"a str"``."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'aeioAEIO' else 'a'} {name}"


def _file_in(namespace: Mapping[str, Any]) -> str:
    return str(namespace.get("__file__") or namespace.get("__name__", ""))
