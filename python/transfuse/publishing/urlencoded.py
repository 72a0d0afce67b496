"""Which named values does a query, or a form that is encoded like one, bring along?

As `urllib.parse.parse_qsl` has it, in a time and a memory that a visitor cannot drive up: that one
makes an object of each `%41`.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# As long a run as there is, so that there are as few of them as can be.
_QUOTED = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


def pairs_of(raw: bytes, *, most: int) -> Iterator[tuple[str, str]]:
    """Yield names and values in order; a name without `=` has an empty value.

    Args:
        raw: as it was sent.
        most: how many pairs there may be.

    Raises:
        UnicodeError: it is not UTF-8, be it quoted or not.
        ValueError: there are more pairs.
    """
    # All at once: half of a character that is quoted does not go with half of one that is not.
    raw.decode()
    if raw.count(b"&") >= most:
        raise ValueError(f"there are more than {most} pairs")
    for pair in raw.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            yield _decoded(name), _decoded(value)


def _decoded(text: bytes) -> str:
    return _QUOTED.sub(_unquoted, text.replace(b"+", b" ")).decode()


def _unquoted(match: re.Match[bytes]) -> bytes:
    return unhexlify(match[0].replace(b"%", b""))
