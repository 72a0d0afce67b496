"""Which files could a path mean, and does a file lie where the path says?

A path is taken apart by a list of what may be in it, not of what may not: each element is a name of
ASCII letters, digits and underscores that begins with a letter; one may end in `.py`. So there is
nothing left to be decoded, doubled or escaped from. What the file system makes of it (links, case)
is looked at afterwards, at each request.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The function, method or file that answers for its folder or object.
INDEX = "index"
# How many elements a path may have: each is looked for on disk.
_DEPTH = 32
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_SUFFIX = ".py"


@dataclass(frozen=True)
class Place:
    """A file that a path could mean.

    Attributes:
        file: its path under the folder, element by element, such as ``("shop", "prices.py")``.
        names: the names after it, such as ``("show",)``; empty: its index.
    """

    file: tuple[str, ...]
    names: tuple[str, ...]


def places(path: str) -> Iterator[Place]:
    """Yield the files that a path could mean; the first one that exists is meant.

    ``/shop/prices`` is `shop/prices.py`, else `shop/prices/index.py`, else `prices` of `shop.py` or
    of `shop/index.py`, else what `shop` of `index.py` calls `prices`.

    Args:
        path: decoded once, as servers hand it over, such as ``"/shop/prices/show"``. One slash at
            its end says nothing.

    Returns:
        Nothing at all for a path that must not be looked for.
    """
    taken = _taken_apart(path)
    if taken is None:
        return
    parts, said = taken
    if said is not None:
        yield Place(parts[: said + 1], parts[said + 1 :])
        return
    for depth in range(len(parts), -1, -1):
        above, names = parts[:depth], parts[depth:]
        if above:
            yield Place((*above[:-1], above[-1] + _SUFFIX), names)
        yield Place((*above, INDEX + _SUFFIX), names)


def folders(path: str) -> Iterator[tuple[str, ...]]:
    """Yield the folders that a path could go through, from the top: ``()``, ``("shop",)``.

    All elements but a file that says `.py` may be folders; most of them are none.
    """
    taken = _taken_apart(path)
    if taken is not None:
        parts, said = taken
        for depth in range((len(parts) if said is None else said) + 1):
            yield parts[:depth]


def real_place(folder: str, file: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the path under the folder of the file that is meant, links followed.

    None if it is not in the folder, or is spelled otherwise. No element of the path may leave the
    folder, even if the next one leads back. A file that is not there now is where it would be: a
    `git checkout` may be about to write it again, and what runs until then is what the generation
    has of it.
    """
    above, place = folder, file
    real = ""
    for part in file:
        if _is_misspelled(above, part):
            return None
        above = f"{above}{os.sep}{part}"
        if os.path.islink(above):
            real = real or os.path.realpath(folder)
            if os.path.commonpath([real, os.path.realpath(above)]) != real:
                return None
    if real:
        relative = os.path.relpath(os.path.realpath(above), real)
        place = tuple(part for part in relative.split(os.sep) if part != os.curdir)
    return place


# A request asks for its path twice. No more than what a few requests ask for: a path may be long.
@functools.lru_cache(maxsize=32)
def _taken_apart(path: str) -> tuple[tuple[str, ...], int | None] | None:
    """Return a path's elements, and which of them says that it is a file; None: look for none."""
    parts = path.removeprefix("/").split("/")
    if parts[-1] == "":
        parts.pop()
    if len(parts) > _DEPTH:
        return None
    if not all(_NAME.fullmatch(part.removesuffix(_SUFFIX)) for part in parts):
        return None
    said = [number for number, part in enumerate(parts) if part.endswith(_SUFFIX)]
    if len(said) > 1:
        return None
    return tuple(parts), said[0] if said else None


def _is_misspelled(folder: str, name: str) -> bool:
    # Where case counts, the other spelling is hardly ever there: no need to list the folder.
    if not os.path.lexists(f"{folder}{os.sep}{name.swapcase()}"):
        return False
    return os.path.lexists(f"{folder}{os.sep}{name}") and name not in os.listdir(folder)
