"""What is known of a request, whichever protocol it came by?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """A request, for functions with a parameter `request`, and for `__auth__` and `__access__`.

    Attributes:
        method: such as ``"GET"``.
        path: decoded, without what a server mounts the publisher at, such as ``"/shop/prices"``.
        query: what follows the question mark, as it was sent, such as ``"sku=7"``.
        headers: by their names in lower case; of repeated ones the values stand in one, separated.
        raw: the WSGI `environ` or ASGI `scope`, for everything else.
        body: what was sent; empty until all of `__auth__` and `__access__` have been asked.
        user: who it is, once an `__auth__` has let them in by a password.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw: Any
    body: bytes = b""
    user: str | None = None

    def json(self) -> Any:
        """Return what the body says as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body)


@dataclass(frozen=True)
class Upload:
    """A file that was sent by a form.

    Attributes:
        filename: what the browser calls it, without folders: a name to show, not a path to use.
        content_type: what the browser says it is, such as ``"image/png"``.
        data: its content.
    """

    filename: str
    content_type: str
    data: bytes = field(repr=False)
