"""A request, the same for both protocols."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """A request, for functions with a parameter `request`, and for `__auth__` and `__access__`.

    Attributes:
        method: such as ``"GET"``.
        path: decoded, without the mount point of the publisher, such as ``"/shop/prices"``.
        query: the text after the question mark, as it was sent, such as ``"sku=7"``.
        headers: by their names in lower case; of repeated ones the values stand in one, separated.
        raw: the WSGI `environ` or ASGI `scope`, for everything else.
        body: the sent bytes; empty until all of `__auth__` and `__access__` have been asked.
        user: the visitor's name, once an `__auth__` has accepted the password.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw: Any
    body: bytes = b""
    user: str | None = None

    def json(self) -> Any:
        """Return the body, decoded as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body)


@dataclass(frozen=True)
class Upload:
    """A file that was sent by a form.

    Attributes:
        filename: its name in the browser, without folders: a name to show, not a path to use.
        content_type: as the browser states it, such as ``"image/png"``.
        data: its content.
    """

    filename: str
    content_type: str
    data: bytes = field(repr=False)
