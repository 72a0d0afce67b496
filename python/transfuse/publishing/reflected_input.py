"""Does a text contain a value of the request, verbatim?

Such a text must not become an HTML page, in which the value could run a script. A value that the
page's function has changed (cut off, joined, decoded once more) is not recognised. The search is
bounded: where there is too much to search, the text counts as an echo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse.publishing.credentials import credentials_of
from transfuse.publishing.request import Request, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# How many different values are searched for, and in how many characters, for all of them together.
_VALUES = 100
_SEARCHED = 50_000_000


def has_echo(text: str, request: Request, fields: Mapping[str, Any]) -> bool:
    """Tell whether a text has a value verbatim in it that a visitor has sent, and that has a `<`.

    In doubt it has: if there are many such values, or they and the text are long.

    Args:
        text: the text to send.
        request: its query, headers, user, password and body count, as text.
        fields: the values of its query and its body, and their names.
    """
    sent: set[str] = set()
    for each in _texts(request, fields):
        if "<" in each:
            sent.add(each.strip())
            if len(sent) > _VALUES or len(sent) * len(text) > _SEARCHED:
                return True
    return any(each in text for each in sent)


def _texts(request: Request, fields: Mapping[str, Any]) -> Iterator[str]:
    yield request.query
    yield from request.headers.values()
    # An `__auth__` may accept any name, so the name is as much a visitor's as any other value.
    yield request.user or ""
    yield from credentials_of(request) or ()
    yield request.body.decode("utf-8", "replace")
    # Not by recursion: JSON may be nested as deeply as it could be read.
    left: list[Any] = [dict(fields)]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
        elif isinstance(value, Upload):
            left += [value.filename, value.content_type, value.data.decode("utf-8", "replace")]
