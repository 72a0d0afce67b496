"""Which named values does a body of JSON bring along, and what in it is refused?

JSON is UTF-8 (RFC 8259). What Python reads on top of what it is (`NaN`, numbers that are infinite,
one name twice, half of a surrogate pair) is a 400: it means something else to everybody.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from transfuse.publishing.http_errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable

_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Such an escape may be half of a surrogate pair; text without it has no half in it.
_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")


def members_of(body: bytes, *, most: int) -> Iterable[tuple[str, Any]]:
    """Return the members of the object that a body is; none for other values.

    Args:
        body: as it was sent.
        most: how many values there may be, at all depths, in an object: each of them may be looked
            at more than once.

    Raises:
        Refused: 400, it cannot be read, or there are more.
    """
    try:
        found = json.loads(
            body.decode("utf-8-sig"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_object,
        )
        if _ESCAPED.search(body):
            _insist_on_text(found)
    except RecursionError:
        raise bad_request("the JSON is nested too deeply") from None
    except ValueError:
        raise bad_request("the body is not JSON") from None
    if not isinstance(found, dict):
        return ()
    if _is_more(found, most):
        raise bad_request(f"the JSON has more than {most} values")
    return found.items()


def _is_more(value: Any, most: int) -> bool:
    """Tell whether there is more in a value than may be; not all of it is looked at to know."""
    left = [value]
    count = 0
    while left:
        each = left.pop()
        if isinstance(each, (dict, list)):
            count += len(each)
            if count > most:
                return True
            left += each.values() if isinstance(each, dict) else each
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _insist_on_text(value: Any) -> None:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            if _SURROGATE.search(each):
                raise ValueError("half of a surrogate pair is no text")
        elif isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
