"""What the worker does. Edit this while it runs."""

from __future__ import annotations


def begin(line: str) -> list[str]:
    """Return the goods that a line names."""
    return line.split()


def finish(number: int, goods: list[str]) -> str:
    """Return what to say of a job that is done."""
    return f"job {number}: {len(goods)} sold"
