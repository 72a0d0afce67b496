"""The public function `publisher`; the rest of this folder is loaded at its first call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from transfuse.process.install import ensure_root

if TYPE_CHECKING:
    from transfuse.publishing.application import Publisher


def publisher(
    folder: str | os.PathLike[str], *, debug: bool = False, body_limit: int = 10_485_760
) -> Publisher:
    """Return an application that maps ``/shop/prices/show?sku=7`` to a call in `shop/prices.py`.

    It is `show(sku)` there. An edit is served from the next request on, and a deleted function is
    404. docs/publisher.md has the rules for published functions.

    Args:
        folder: a directory; it becomes a root if Transfuse is not installed yet.
        debug: whether error pages show tracebacks, and why something is not published. Not for
            servers that strangers reach.
        body_limit: how long the body of a request may be, in bytes; longer ones are a 413.

    Returns:
        An application that is called with two arguments by WSGI servers, and with three by ASGI
        servers. Each request is a unit of work.

    Raises:
        RootError: `folder` is no directory, or roots were installed and it lies under none of them.
        SettingsError: as `install`.
    """
    if body_limit < 0:
        raise ValueError(f"body_limit is a number of bytes, not {body_limit}")
    # Here and not above: a program that only has live modules needs none of it.
    from transfuse.publishing.application import Publisher  # noqa: PLC0415
    from transfuse.publishing.service import Service  # noqa: PLC0415

    place = os.path.abspath(folder)
    ensure_root(place)
    return Publisher(Service(place, debug=debug, body_limit=body_limit))
