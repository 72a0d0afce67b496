"""How long may the body of a request be, and how long does it say that it is?"""

from __future__ import annotations

from http import HTTPStatus

from transfuse.publishing.http_errors import Refused, bad_request

# A number of more digits is too long in any case, and Python limits how many it converts.
_DIGITS = 18


def too_long(limit: int) -> Refused:
    """Return the refusal of a body that is longer than it may be."""
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may be {limit} bytes long, and not more"
    )


def stated_length(said: str, limit: int) -> int | None:
    """Return the Content-Length that a request states, or None if it states none.

    Raises:
        Refused: 400 if it is none, 413 if it is more than there may be.
    """
    if not said:
        return None
    if not (said.isascii() and said.isdigit()):
        raise bad_request("Content-Length is not a number")
    if len(said) > _DIGITS or int(said) > limit:
        raise too_long(limit)
    return int(said)
