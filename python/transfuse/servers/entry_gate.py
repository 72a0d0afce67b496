"""Holds a server that has started back until it may take connections.

A fresh process of a handover imports its code and runs the startup of its application, but takes
connections only when all fresh processes are ready. `LifespanManager` passes the gate between the
application's startup and the message with which the server begins to listen. Without a gate it
does not wait.
"""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """Decides when a server that has started may take connections."""

    async def ready(self) -> bool:
        """Wait until it may; False: it never will, and the application is to shut down."""

    def left(self) -> None:
        """The application is shut down, and the server has not taken connections."""

    def failed(self, error: BaseException) -> None:
        """The application's startup has failed."""


# None: servers begin at once. Set before the server starts, and never again.
_gate: Gate | None = None


def close(gate: Gate) -> None:
    """Have servers of this process wait at this gate."""
    global _gate  # noqa: PLW0603 - a process is one fresh process, or none
    _gate = gate


async def ready() -> bool:
    """The application has started: return whether the server may take connections."""
    return True if _gate is None else await _gate.ready()


def left() -> None:
    """The application is shut down again, because the server may not take connections."""
    if _gate is not None:
        _gate.left()


def failed(error: BaseException) -> None:
    """The application's startup has failed."""
    if _gate is not None:
        _gate.failed(error)
