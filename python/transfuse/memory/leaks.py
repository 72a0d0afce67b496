"""What keeps former modules in memory?

`search` finds the holders of all former modules; here they are grouped by cause.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from transfuse import _core
from transfuse.memory.describe import (
    REMEDIES,
    chain_in_words,
    in_words,
    root_in_words,
    root_kind,
)
from transfuse.memory.search import Search

# How many causes are reported, and how many modules of each are named in a line.
_CAUSES, _NAMES = 10, 5
# The lists of one search would be holders for another one.
_one_search = threading.Lock()


@dataclass(frozen=True)
class Cause:
    """An object that keeps former modules in memory.

    Attributes:
        what: the object, such as ``"the cache of fastapi.utils.get_fields"``.
        through: the way from it to the modules, such as ``"a partial in a list"``; may be empty.
        remedy: advice to the user.
        modules: the names of the modules, and how many former ones of that name it keeps.
    """

    what: str
    through: str
    remedy: str
    modules: tuple[tuple[str, int], ...]

    @property
    def is_named(self) -> bool:
        """Whether a name leads to it. If not, it may be garbage."""
        return self.remedy != REMEDIES[""]

    @property
    def count(self) -> int:
        """How many former modules it keeps."""
        return sum(count for _, count in self.modules)

    def __str__(self) -> str:
        through = f", through {self.through}" if self.through else ""
        count = f"{self.count} former module{'s' if self.count > 1 else ''}"
        return f"{self.what} keeps {count}: {_names(self.modules)}{through}"


@dataclass(frozen=True)
class Leaks:
    """The result of a search for the holders of former modules.

    Attributes:
        former: how many modules are in memory that no generation has any more.
        causes: of their being kept, the most important first.
        unexplained: those that no cause was found for, as in `Cause.modules`.
        seconds: how long the search took.
        complete: whether it was not stopped by its time limit.
    """

    former: int
    causes: tuple[Cause, ...]
    unexplained: tuple[tuple[str, int], ...]
    seconds: float
    complete: bool

    def lines(self) -> list[str]:
        """Tell all this in a limited number of lines."""
        if not self.former:
            return ["no former module is in memory"]
        stopped = "" if self.complete else ", and stopped at the limit: say --seconds N for more"
        lines = [
            f"former modules in memory: {self.former} (searched {self.seconds:.1f} s{stopped})"
        ]
        for cause in self.causes[:_CAUSES]:
            lines += [str(cause), f"  {cause.remedy}"]
        if more := len(self.causes) - _CAUSES:
            lines += [f"{more} more causes: --json lists all"] if more > 0 else []
        if self.unexplained:
            count = sum(count for _, count in self.unexplained)
            why = "nothing visible keeps" if self.complete else "no cause was found yet for"
            lines += [f"{why} {count}: {_names(self.unexplained)}"]
            lines += [f"  {REMEDIES['']}"] if self.complete else []
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the same as values that JSON has."""
        return asdict(self)


def find_leaks(seconds: float) -> Leaks:
    """Find out what keeps former modules in memory, in so many seconds."""
    with _one_search:
        return _find(seconds)


def try_to_find_leaks(seconds: float) -> Leaks | None:
    """Do the same, or return None if another search is under way."""
    if not _one_search.acquire(blocking=False):
        return None
    try:
        return _find(seconds)
    finally:
        _one_search.release()


def _find(seconds: float) -> Leaks:
    begun = time.monotonic()
    modules = _core.former_modules()
    if not modules:
        return Leaks(0, (), (), 0.0, True)
    search = Search(modules, begun + seconds)
    try:
        search.follow()
        causes, unexplained = _causes(search)
    finally:
        # The collector does not see this list, so it could not free what refers to it and is in it.
        _core.let_go(search.heap)
    return Leaks(len(modules), causes, unexplained, time.monotonic() - begun, search.complete)


def _causes(search: Search) -> tuple[tuple[Cause, ...], tuple[tuple[str, int], ...]]:
    """Group what a search has found, and return what it has not explained."""
    found: dict[tuple[str, str], set[int]] = {}
    through: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for kind, what, index in search.running():
        found.setdefault((kind, what), set()).add(index)
    for holder in search.holders.values():
        held = next(iter(holder.held.values()))
        path, inside = search.way(holder.each)
        if path:
            key, chain = (root_kind(path[-1]), root_in_words(path, held)), path[:-1]
            through[key][chain_in_words(chain, held)] += 1
        elif inside:
            # Former modules hold it, so their holders are to be found.
            for index in inside:
                search.keeps[index].update(holder.held)
            continue
        else:
            last = search.suspended(holder.each)
            key = ("", chain_in_words([last], held) or in_words(last))
        found.setdefault(key, set()).update(holder.held)
    kept = {key: search.with_kept(indices) for key, indices in found.items()}
    named = set[int]().union(*(kept[key] for key in kept if key[0]))
    # Objects without a name may be garbage, and matter only if nothing else is found.
    kept = {key: more for key in kept if (more := kept[key] if key[0] else kept[key] - named)}
    order = sorted(kept, key=lambda key: (not key[0], -len(kept[key]), key))
    causes = tuple(
        Cause(
            what=key[1],
            through=through[key].most_common(1)[0][0] if through[key] else "",
            remedy=REMEDIES[key[0]],
            modules=search.counted(kept[key]),
        )
        for key in order
    )
    return causes, search.counted(set(range(len(search.modules))).difference(*kept.values()))


def _names(modules: tuple[tuple[str, int], ...]) -> str:
    shown = [name if count == 1 else f"{name} ({count})" for name, count in modules[:_NAMES]]
    more = len(modules) - _NAMES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
