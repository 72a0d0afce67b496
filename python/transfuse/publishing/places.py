"""Which files could a path mean, and does a file lie where the path says?

A path is taken apart by a list of what may be in it, not of what may not: each element is a name of
ASCII letters, digits and underscores that begins with a letter; one may end in `.py`. So there is
nothing left to be decoded, doubled or escaped from. What the file system makes of it (links, case)
is looked at afterwards, at each request.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The function, method or file that stands for what it is in.
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
        names: what is asked for in it, such as ``("show",)``; empty: its index.
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
    parts = path.removeprefix("/").split("/")
    if parts[-1] == "":
        parts.pop()
    if len(parts) > _DEPTH:
        return
    stems = [part.removesuffix(_SUFFIX) for part in parts]
    if not all(_NAME.fullmatch(stem) for stem in stems):
        return
    said = [number for number, part in enumerate(parts) if part.endswith(_SUFFIX)]
    if said:
        if len(said) == 1:
            yield Place(tuple(parts[: said[0] + 1]), tuple(parts[said[0] + 1 :]))
        return
    for depth in range(len(parts), -1, -1):
        above, names = tuple(parts[:depth]), tuple(parts[depth:])
        if above:
            yield Place((*above[:-1], above[-1] + _SUFFIX), names)
        yield Place((*above, INDEX + _SUFFIX), names)


def lies_inside(folder: str, file: tuple[str, ...]) -> bool:
    """Tell whether a file is in the folder, links followed, and is spelled as the path spells it.

    No element of the path may leave the folder, even if the next one leads back. A file that is
    not there now is inside: a `git checkout` may be about to write it again, and what runs until
    then is what the generation has of it.
    """
    above = folder
    for part in file:
        if _is_misspelled(above, part):
            return False
        above = os.path.join(above, part)
        if os.path.islink(above):
            real = os.path.realpath(folder)
            if os.path.commonpath([real, os.path.realpath(above)]) != real:
                return False
    return True


def _is_misspelled(folder: str, name: str) -> bool:
    # Where case counts, the other spelling is hardly ever there: no need to list the folder.
    if not os.path.lexists(os.path.join(folder, name.swapcase())):
        return False
    return os.path.lexists(os.path.join(folder, name)) and name not in os.listdir(folder)
