"""Which files was a template made from, and does the caller's generation have the same?

Template engines cache what they have compiled by name. While two generations are in use, one name
stands for two templates, so each is kept with the files that were read, or looked for in vain, to
find it. It is the caller's template if the caller's generation has the same content in all of them.
"""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfuse import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

# As many templates of one name are kept: generations that are in use seldom differ in more.
_VERSIONS = 4


class Reads:
    """The files that were read while a template was loaded."""

    def __init__(self) -> None:
        # "/srv/shop/templates/base.html" -> its digest, empty if it did not exist. For a file that
        # generations do not know: its time and size, or None.
        self.files: dict[str, Any] = {}

    def hold(self, *, look: bool) -> bool:
        """Whether the caller's generation has the same content.

        Args:
            look: whether to look at the files that generations do not know, too.
        """
        for path, found in list(self.files.items()):
            if type(found) is str:
                if _core.file_digest(path) != found:
                    return False
            elif look and _stamp(path) != found:
                return False
        return True


# A template that is being loaded notes its files here.
_loading: ContextVar[Reads | None] = ContextVar("loading", default=None)


@contextlib.contextmanager
def recorded() -> Iterator[Reads]:
    """Record the files that `content` is asked for in this block."""
    reads = Reads()
    token = _loading.set(reads)
    try:
        yield reads
    finally:
        _loading.reset(token)
        if (around := _loading.get()) is not None:
            around.files.update(reads.files)


def content(path: str) -> bytes | None:
    """Return the content of a file in the caller's generation; None if it does not exist there.

    Raises:
        ContentGone: the file has changed, and the store had no room for what it contained.
    """
    known = _core.file_content(path)
    found: Any
    if known is None:
        found = _stamp(path)
        read = Path(path).read_bytes() if found is not None and Path(path).is_file() else None
    else:
        found, text = known
        read = text if found else None
    if (reads := _loading.get()) is not None:
        reads.files[path] = found
    return read


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Versions:
    """The templates of one name, each with the files that it was made from."""

    def __init__(self) -> None:
        # The last one made comes first. Replaced, never changed, so readers need no lock.
        self._kept: tuple[tuple[Reads, Any], ...] = ()

    def find(self, *, look: bool) -> Any:
        """Return the caller's template, or None."""
        for reads, template in self._kept:
            if reads.hold(look=look):
                return template
        return None

    def add(self, reads: Reads, template: Any) -> None:
        """Keep one more; the oldest goes."""
        self._kept = ((reads, template), *self._kept)[:_VERSIONS]
