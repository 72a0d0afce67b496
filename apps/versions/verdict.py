"""Which functions are stale, and which modules has a report named?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

# `shop.page.View.get`, as in a note.
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


class Stale(NamedTuple):
    """A function that has run in another version than that of its file.

    Attributes:
        function: such as ``"shop.page:View.get"``.
        seen: the versions in which it has run.
        expected: the version of its file.
    """

    function: str
    seen: tuple[int, ...]
    expected: int

    @property
    def module(self) -> str:
        """The name of its module."""
        return self.function.partition(":")[0]

    def __str__(self) -> str:
        seen = " and ".join(map(str, self.seen))
        return f"{self.function} ran in version {seen}, its file has {self.expected}"


def stale(hits: Iterable[tuple[str, int]], versions: Mapping[str, int]) -> list[Stale]:
    """Return the functions among `hits` that are not of the version of their module."""
    seen: dict[str, tuple[int, ...]] = {}
    for function, version in hits:
        seen[function] = (*seen.get(function, ()), version)
    judged = [Stale(name, ran, versions[name.partition(":")[0]]) for name, ran in seen.items()]
    return [each for each in judged if each.seen != (each.expected,)]


def named(report: Mapping[str, Any], modules: Container[str]) -> set[str]:
    """Return the modules that a report (`Report.to_json`) names as not, or not wholly, replaced."""
    told = repr((report["restart"], report["notes"], report["error"]))
    found = (_module_of(each, modules) for each in _DOTTED.findall(told))
    return {name for name in found if name}


def _module_of(dotted: str, modules: Container[str]) -> str:
    """Return the module that has what a dotted name means; the empty text if none has."""
    while dotted and dotted not in modules:
        dotted = dotted.rpartition(".")[0]
    return dotted
