"""What HTML is a template string?

Template strings (PEP 750) are new in Python 3.14. What their author wrote is HTML, what is put into
it is text, and is escaped; another template, what says `__html__` of itself, and lists of these are
HTML already.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CONVERSIONS: dict[str, Callable[[object], str]] = {"r": repr, "s": str, "a": ascii}


def template_type() -> type[Any] | None:
    """Return the type of template strings, or None where the interpreter has none."""
    try:
        from string.templatelib import Template  # type: ignore # noqa: PLC0415
    except ImportError:
        return None
    found: type[Any] = Template
    return found


def render(template: Any) -> str:
    """Return a template string as HTML, with everything that was put into it escaped."""
    kind = type(template)
    return "".join(
        part if isinstance(part, str) else _interpolated(part, kind) for part in template
    )


def _interpolated(part: Any, kind: type[Any]) -> str:
    value = part.value
    if part.conversion:
        value = _CONVERSIONS[part.conversion](value)
    elif not part.format_spec and (shown := _as_html(value, kind)) is not None:
        return shown
    return html.escape(format(value, part.format_spec))


def _as_html(value: Any, kind: type[Any]) -> str | None:
    if isinstance(value, kind):
        return render(value)
    if callable(getattr(type(value), "__html__", None)):
        return str(value.__html__())
    if isinstance(value, (list, tuple)):
        shown = [_as_html(each, kind) for each in value]
        if all(each is not None for each in shown):
            return "".join(each for each in shown if each is not None)
    return None
