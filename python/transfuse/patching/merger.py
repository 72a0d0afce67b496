"""The part of a `Merge` that the comparison of classes, enums and references calls.

A protocol, so that those files need not import `merge`, which imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from transfuse.patching.change import Change


class Merger(Protocol):
    """One comparison of two namespaces; see `merge.Merge`."""

    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    values: dict[str, Any]
    change: Change
    kept: dict[int, tuple[Any, Any]]

    def value(self, old: Any, new: Any, where: str) -> Any:
        """Return the object that a name refers to afterwards."""

    def standing(self, new: Any) -> Any:
        """Return the old object that replaces a new one, or the new one itself."""

    def is_class(self, value: object) -> bool:
        """Whether `value` is a class of this module."""
