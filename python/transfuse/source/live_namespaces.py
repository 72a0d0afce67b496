"""The namespaces of all live modules, as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Values of these types are too many, and are no state of a module.
_PASSED_BY = frozenset({bool, bytes, float, int, str, tuple, type, type(None)})


class LiveNamespaces(dict[str, dict[str, Any]]):
    """Name of a module -> its globals. The core makes one for each plan."""

    # Address of an object -> the modules that have it under some name.
    _having: dict[int, list[str]] | None = None

    def having(self, value: object) -> Iterator[str]:
        """Yield the modules that have an object under a name."""
        if self._having is None:
            self._having = {}
            for name, namespace in self.items():
                for one in list(namespace.values()):
                    if type(one) not in _PASSED_BY:
                        self._having.setdefault(id(one), []).append(name)
        for name in self._having.get(id(value), ()):
            # Another object may have its address by now.
            if any(one is value for one in list(self[name].values())):
                yield name
