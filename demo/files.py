"""What does the application's source say, and how is it edited?

Each edit of a module also raises its EDITION. Files are saved as editors and `git` do it: by
writing in place, or by writing beside and renaming.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_SHOP = Path(__file__).parent / "shop"
_EDITION = re.compile(r"^EDITION = (\d+)$", re.MULTILINE)

# What is to be replaced in a module's source, and by what.
Change = tuple[str, str]


class Source:
    """A copy of the shop in a directory of its own.

    Attributes:
        root: the directory; the package `shop` is in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(_SHOP, root / "shop", ignore=shutil.ignore_patterns("__pycache__"))

    def path(self, name: str) -> Path:
        """Return the file of a module, such as ``"views.items"``."""
        return self.root.joinpath("shop", *name.split(".")).with_suffix(".py")

    def edition(self, name: str) -> int:
        """Return the edition of a module."""
        found = _EDITION.search(self.path(name).read_text())
        assert found is not None, f"shop.{name} has no EDITION"
        return int(found[1])

    def edited(self, name: str, *changes: Change) -> str:
        """Return what the source of a module is to be, one edition on."""
        text = self.path(name).read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"shop.{name} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        return _EDITION.sub(f"EDITION = {self.edition(name) + 1}", text)

    def save(self, texts: dict[str, str]) -> None:
        """Save modules: one in place, several at once by renaming each."""
        paths = {self.path(name): text for name, text in texts.items()}
        if len(paths) == 1:
            for path, text in paths.items():
                path.write_text(text)
            return
        for path, text in paths.items():
            path.with_suffix(".new").write_text(text)
        for path in paths:
            os.replace(path.with_suffix(".new"), path)
