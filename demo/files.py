"""What does the application's source say, and how is it edited?

Each edit of a module also raises its EDITION. A file is saved by writing beside and renaming, as
editors do it; what belongs together is held open until all of it is written, so that an
interrupted save is not taken for a whole one.
"""

from __future__ import annotations

import contextlib
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
        """Return the source of a module in its next edition."""
        text = self.path(name).read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"shop.{name} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        return _EDITION.sub(f"EDITION = {self.edition(name) + 1}", text)

    def save(self, texts: dict[str, str]) -> None:
        """Save modules, as one edit."""
        save({self.path(name): text for name, text in texts.items()})


def save(texts: dict[Path, str]) -> None:
    """Save files, as one edit."""
    if len(texts) == 1:
        for path, text in texts.items():
            path.with_suffix(".new").write_text(text)
            os.replace(path.with_suffix(".new"), path)
        return
    with contextlib.ExitStack() as held:
        for path, text in texts.items():
            file = held.enter_context(path.open("w"))
            file.write(text)
            file.flush()
