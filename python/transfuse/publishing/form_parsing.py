"""Which named values does a request bring along?

From its query, and from its body: a form, urlencoded or in parts with files, or a JSON object. A
name that comes more than once has a list of values. A malformed form is a 400 that says why.
"""

from __future__ import annotations

import codecs
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from transfuse.publishing.header_parameters import essence_of, parameters_of
from transfuse.publishing.http_errors import Refused, bad_request
from transfuse.publishing.json_bodies import members_of
from transfuse.publishing.request import Request, Upload
from transfuse.publishing.urlencoded import pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# How many values a query, a form or a JSON object may have, how long the headers of a part may be,
# in bytes, how long the Content-Type of a request, and how long a boundary (RFC 2046).
_MOST = 1000
_HEAD = 8192
_KIND = 1024
_BOUNDARY = 70
# How long a form that is urlencoded may be, in bytes: files are sent in parts.
_URLENCODED = 1024 * 1024
_FOLDERS = re.compile(r"[/\\]")
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def fields_of(request: Request) -> dict[str, Any]:
    """Return the named values of a request, a list where there are several of one name.

    Raises:
        Refused: 400 if query or body make no sense, 413 if the body is longer than one of its kind
            may be, 415 if it is compressed.
    """
    try:
        # Servers hand bytes over as Latin-1.
        query = request.query.encode("latin-1")
    except UnicodeError:
        raise bad_request("the query is not UTF-8") from None
    pairs: list[tuple[str, Any]] = list(_urlencoded(query, "query"))
    if not request.body:
        return _together(pairs)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
    kind = request.headers.get("content-type", "")
    if len(kind) > _KIND:
        raise bad_request("Content-Type is too long")
    essence = essence_of(kind)
    if essence == "application/x-www-form-urlencoded":
        if len(request.body) > _URLENCODED:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"an urlencoded form may be {_URLENCODED} bytes long, and not more",
            )
        pairs += _urlencoded(request.body, "form")
    elif essence == "multipart/form-data":
        pairs += _parts(request.body, kind)
    elif _is_json(essence):
        pairs += members_of(request.body, most=_MOST)
    return _together(pairs)


def is_json_without_names(request: Request) -> bool:
    """Tell whether a body that `fields_of` has read is JSON, but no object."""
    if not request.body or not _is_json(essence_of(request.headers.get("content-type", ""))):
        return False
    return not request.body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _is_json(essence: str) -> bool:
    return essence == "application/json" or essence.endswith("+json")


def _together(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    lists = {name for name, value in pairs if isinstance(value, list)}
    return {
        name: each if len(each) > 1 or name in lists else each[0] for name, each in values.items()
    }


def _urlencoded(raw: bytes, what: str) -> Iterator[tuple[str, str]]:
    try:
        yield from pairs_of(raw, most=_MOST)
    except ValueError as error:
        unreadable = isinstance(error, UnicodeError)
        raise bad_request(f"the {what} {'is not UTF-8' if unreadable else 'is too long'}") from None


def _parts(body: bytes, kind: str) -> Iterator[tuple[str, str | Upload]]:
    """Yield the values of a form in parts (RFC 7578), whose bytes are left as they are."""
    try:
        boundary = parameters_of(kind).get("boundary", "")
    except ValueError:
        boundary = ""
    if not 1 <= len(boundary) <= _BOUNDARY:
        raise bad_request("the form in parts does not say what is between them")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"), _MOST + 2)
    # Text before the first part has no meaning, and text after the last is not read.
    for number, piece in enumerate(pieces[1:]):
        if piece.startswith(b"--"):
            return
        line, ended, rest = piece.partition(b"\r\n")
        if not ended or line.strip(b" \t") or number == _MOST:
            break
        name, value = _part(rest)
        # A browser sends an empty part for a file field without a file.
        if not (isinstance(value, Upload) and not value.filename and not value.data):
            yield name, value
    raise bad_request("the form in parts does not end as it should")


def _part(piece: bytes) -> tuple[str, str | Upload]:
    head, ended, data = piece.partition(b"\r\n\r\n")
    try:
        if not ended or len(head) > _HEAD:
            raise ValueError
        lines = dict(_headers(head.decode()))
        disposition = parameters_of(lines.get("content-disposition", ""))
        name, filename = disposition.get("name"), disposition.get("filename")
        if name is None:
            raise ValueError
        if filename is None:
            return name, data.decode()
    except ValueError:
        raise bad_request("a part of the form cannot be read") from None
    shown = _UNPRINTED.sub("", _FOLDERS.split(filename)[-1])
    kind = _UNPRINTED.sub("", lines.get("content-type", "application/octet-stream"))
    # These are folders wherever they are put.
    return name, Upload("" if shown in (".", "..") else shown, kind, data)


def _headers(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError
        yield name.strip().lower(), value.strip()
