"""Which time zone do messages use?

In that of the system, or of the `TZ` with which the process was started: an operator's shell, where
the times are read and typed, has the same. A program may set another one for itself, as Django does
with `TIME_ZONE`.
"""

from __future__ import annotations

import functools
import os
import time
from datetime import datetime, timedelta, timezone, tzinfo

_OF_SYSTEM = "/etc/localtime"
# Their values before the program ran.
_NAME = os.environ.get("TZ")
_OFFSET = time.localtime().tm_gmtoff


def local(moment: float) -> datetime:
    """Return the local time of a timestamp.

    Args:
        moment: in seconds since 1970.
    """
    is_same = os.environ.get("TZ") == _NAME
    return datetime.fromtimestamp(moment, None if is_same else _zone())


@functools.cache
def _zone() -> tzinfo:
    # Imported here, because few programs set another time zone.
    import zoneinfo  # noqa: PLC0415

    try:
        if _NAME:
            return zoneinfo.ZoneInfo(_NAME.lstrip(":"))
        with open(_OF_SYSTEM, "rb") as file:
            return zoneinfo.ZoneInfo.from_file(file)
    except (OSError, ValueError, KeyError):  # TZ is a rule, or no database
        return timezone(timedelta(seconds=_OFFSET))
