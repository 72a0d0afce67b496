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


def named(
    report: Mapping[str, Any], modules: Container[str], before: Iterable[str] = ()
) -> set[str]:
    """Return the modules that reports (`Report.to_json`) name as not, or not wholly, replaced.

    What is said to keep a module keeps also what that module imports. If this is why the module
    has run again, the report says so: `["shop.page", "imports shop.price"]`.

    Args:
        before: those that earlier reports have named.
    """
    reasons = dict(report["ran"])
    told = repr((report["restart"], report["notes"], report["error"]))
    pending, found = {*before, *_modules_in(told, modules)}, set[str]()
    while pending:
        found |= pending
        because = " ".join(reasons.get(name, "") for name in pending)
        pending = _modules_in(because, modules) - found
    return found


def _modules_in(text: str, modules: Container[str]) -> set[str]:
    """Return the modules that have what the dotted names in a text mean."""
    found = set()
    for match in _DOTTED.findall(text):
        name = match
        while name and name not in modules:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {""}
