"""What is scheduled. Edit this while it runs."""

from __future__ import annotations


def hourly() -> None:
    """Report."""
    print("all is well", flush=True)
