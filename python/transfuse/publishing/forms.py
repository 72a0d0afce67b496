"""Which named values does a request bring along?

From its query, and from its body: a form, urlencoded or in parts with files, or a JSON object. A
name that comes more than once has a list of values. What cannot be read is a 400 that says why.
"""

from __future__ import annotations

import json
import re
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl

from transfuse.publishing.refusals import Refused, bad_request
from transfuse.publishing.request import Request, Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# How many values a query or a form may have, how long the headers of a part may be, in bytes, and
# how long a boundary may be (RFC 2046).
_MOST = 1000
_HEAD = 8192
_BOUNDARY = 70
_FOLDERS = re.compile(r"[/\\]")
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")


def fields_of(request: Request) -> dict[str, Any]:
    """Return the named values of a request, a list where there are several of one name.

    Raises:
        Refused: 400 if query or body make no sense, 415 if the body is compressed.
    """
    pairs: list[tuple[str, Any]] = list(_urlencoded(request.query, "query"))
    if not request.body:
        return _together(pairs)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
    kind = _header("content-type", request.headers.get("content-type", ""))
    essence = kind.get_content_type() if "content-type" in request.headers else ""
    if essence == "application/x-www-form-urlencoded":
        pairs += _urlencoded(request.body.decode("latin-1"), "form")
    elif essence == "multipart/form-data":
        pairs += _parts(request.body, kind.get_param("boundary", "", "content-type"))
    elif essence == "application/json" or essence.endswith("+json"):
        pairs += _object(request.body)
    return _together(pairs)


def _together(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    lists = {name for name, value in pairs if isinstance(value, list)}
    return {
        name: each if len(each) > 1 or name in lists else each[0] for name, each in values.items()
    }


def _urlencoded(text: str, what: str) -> Iterator[tuple[str, str]]:
    try:
        # Servers hand bytes over as Latin-1; what was sent is UTF-8, quoted or not.
        decoded = text.encode("latin-1").decode()
        yield from parse_qsl(decoded, keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except ValueError as error:
        unreadable = isinstance(error, UnicodeError)
        raise bad_request(f"the {what} {'is not UTF-8' if unreadable else 'is too long'}") from None


def _object(body: bytes) -> Iterator[tuple[str, Any]]:
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise bad_request("the JSON is nested too deeply") from None
    except ValueError:
        raise bad_request("the body is not JSON") from None
    if isinstance(found, dict):
        yield from found.items()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _parts(body: bytes, boundary: Any) -> Iterator[tuple[str, str | Upload]]:
    """Yield the values of a form in parts (RFC 7578), whose bytes are left as they are."""
    if not isinstance(boundary, str) or not 1 <= len(boundary) <= _BOUNDARY:
        raise bad_request("the form in parts does not say what is between them")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"), _MOST + 2)
    # What stands before the first part is nothing, and what follows the last is not looked at.
    for number, piece in enumerate(pieces[1:]):
        if piece.startswith(b"--"):
            return
        line, ended, rest = piece.partition(b"\r\n")
        if not ended or line.strip(b" \t") or number == _MOST:
            break
        name, value = _part(rest)
        # What a browser sends for a file that nobody has chosen is nothing.
        if not (isinstance(value, Upload) and not value.filename and not value.data):
            yield name, value
    raise bad_request("the form in parts does not end as it should")


def _part(piece: bytes) -> tuple[str, str | Upload]:
    head, ended, data = piece.partition(b"\r\n\r\n")
    try:
        if not ended or len(head) > _HEAD:
            raise ValueError
        lines = dict(_headers(head.decode()))
        disposition = _header("content-disposition", lines.get("content-disposition", ""))
        name = disposition.get_param("name", None, "content-disposition")
        filename = disposition.get_filename()
        if not isinstance(name, str):
            raise ValueError
        if filename is None:
            return name, data.decode()
    except ValueError:
        raise bad_request("a part of the form cannot be read") from None
    shown = _UNPRINTED.sub("", _FOLDERS.split(filename)[-1])
    kind = lines.get("content-type", "application/octet-stream")
    return name, Upload(shown, kind, data)


def _headers(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError
        yield name.strip().lower(), value.strip()


def _header(name: str, value: str) -> Message:
    """Return a message with one header, for the parameters that it may have."""
    message = Message()
    message[name] = value
    return message
