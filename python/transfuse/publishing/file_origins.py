"""Where did the file of a page lie when its content was read?

The guards of a page are looked for where its file lies, links followed; its content is that of the
generation. A link may have been re-pointed in between. So the place of the file is kept beside the
content, and the same guards apply until there is other content.
"""

from __future__ import annotations

import os
from importlib.util import decode_source
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from transfuse.publishing.http_errors import not_found
from transfuse.publishing.pages import loader_in
from transfuse.publishing.paths import real_place

if TYPE_CHECKING:
    from types import ModuleType

    from transfuse.publishing.pages import Page

    # The path of a file under the folder, element by element.
    Path = tuple[str, ...]


class Origins:
    """Where the files of the pages under one folder lay."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        # Module -> the digest of its source, and where that lay. Written by the first request
        # for a page; entries leave with the module. A patched module gets another digest.
        self._places: WeakKeyDictionary[ModuleType, tuple[str, Path]] = WeakKeyDictionary()
        # The files that have been links, or lain behind one.
        self._linked: set[Path] = set()

    def known(self, page: Page) -> Path | None:
        """Return where the file of a page lay; None if the page was not seen before."""
        digest, place = self._places.get(page.module, (None, None))
        return place if digest == _loader(page).digest else None

    def note(self, page: Page, file: Path, present: Path) -> Path:
        """Return where the file of a page lay, and remember it.

        Args:
            page: the loaded page.
            file: its path.
            present: where that led to before the page was loaded.

        Raises:
            Refused: 404, that cannot be known.
        """
        known = self.known(page)
        if present != file:
            self._linked.add(file)
        # The same content at another place may be seen there: the guards of that place apply.
        # Where there was never a link the file is its own place, with any content.
        is_told = file not in self._linked or self._is_content_of(page, file)
        if is_told and real_place(self.folder, file) == present:
            self._places[page.module] = (_loader(page).digest, present)
            return present
        if known is None:
            whole = os.path.join(self.folder, *file)
            raise not_found(f"{whole} is a link, and has changed since it was loaded")
        return known

    def _is_content_of(self, page: Page, file: Path) -> bool:
        try:
            with open(os.path.join(self.folder, *file), "rb") as opened:
                return bool(decode_source(opened.read()) == _loader(page).get_source())
        except (OSError, SyntaxError, ValueError):
            return False


def _loader(page: Page) -> Any:
    return loader_in(page.namespace)
