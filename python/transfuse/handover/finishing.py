"""Which processes have others taken over from, and which requests do they still finish?

Each notes it in a file in the folder of its server, where those that serve find it for `status`.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from transfuse.config.native import time

_NAMES = "finishing-"


@dataclass(frozen=True)
class Finishing:
    """A process that finishes what it has.

    Attributes:
        pid: its process id.
        requests: how many it is answering; streams and WebSockets are among them.
        since: when others took over, in seconds since 1970.
        ends_by: when it ends at the latest; None: with its last request.
    """

    pid: int
    requests: int
    since: float
    ends_by: float | None


class Notes:
    """The notes of this process.

    Args:
        folder: of the server.
        idle: how long idle connections are kept, in seconds.
        drain: after so many seconds streams and WebSockets are told to end; None: never.
    """

    def __init__(self, folder: str, idle: float, drain: float | None) -> None:
        self._path = os.path.join(folder, f"{_NAMES}{os.getpid()}")
        self._since = time.time()
        self._idle, self._drain = idle, drain
        self._noted: int | None = None

    def note(self, requests: int) -> None:
        """Note how many requests are left."""
        if requests == self._noted:
            return
        self._noted = requests
        lasts = self._idle if not requests else None
        if requests and self._drain is not None:
            lasts = max(self._idle, self._drain)
        ends_by = None if lasts is None else self._since + lasts
        finishing = Finishing(os.getpid(), requests, self._since, ends_by)
        beside = f"{self._path}.new"
        with contextlib.suppress(OSError):
            with open(beside, "w", encoding="utf-8") as file:
                json.dump(asdict(finishing), file)
            os.replace(beside, self._path)

    def end(self) -> None:
        """There is nothing left."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def noted(folder: str) -> list[dict[str, Any]]:
    """Return what the processes of a server have noted that live, as JSON has it."""
    found: list[dict[str, Any]] = []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return found  # a program that removes old temporary files has removed the folder
    for name in names:
        if not name.startswith(_NAMES) or name.endswith(".new"):
            continue
        # One that ends at this moment, or was killed.
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                said = json.load(file)
            os.kill(said["pid"], 0)
            found.append(said)
    return found
