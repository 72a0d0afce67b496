"""The packages that a page lies in, whose guards apply to it.

A package need not be a page: it may have replaced its class, or have put another module in its
place. It is found by its file before anything below it is looked for, and by the name of the page's
module afterwards, in case the file was missing for a moment. In doubt, access is denied.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.publishing.http_errors import not_found
from transfuse.publishing.pages import is_refusal, loader_in

if TYPE_CHECKING:
    from collections.abc import Iterator

# The file that makes a folder a package.
PACKAGE = "__init__.py"


class Packages:
    """The packages in one folder, and those it lies in."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        # With the separator at its end.
        self._within = os.path.join(folder, "")
        # File -> the name of its module, such as {"/srv/site/shop/__init__.py": "shop"}. Written by
        # the thread that loads a package; entries leave when the name leads to that file no more.
        self._names: dict[str, str] = {}
        # The folder's path below each of its roots, such as [("site",)]; [()] for a root.
        self._prefixes = [
            tuple(part for part in os.path.relpath(folder, root).split(os.sep) if part != os.curdir)
            for root in map(os.fspath, _core.status()["roots"])
            if os.path.commonpath([root, folder]) == root
        ]

    def known(self, folder: tuple[str, ...]) -> ModuleType | None:
        """Return the module of a folder's package, if it was loaded before."""
        file = self._file(folder)
        name = self._names.get(file)
        if name is None:
            return None
        found = _standing_for(name, file)
        if found is None:
            self._names.pop(file, None)
        return found

    def has(self, folder: tuple[str, ...]) -> bool:
        """Tell whether a folder has the file of a package now."""
        return os.path.lexists(self._file(folder))

    def missing(self, folder: tuple[str, ...]) -> ModuleType | None:
        """Return the module of a folder's package whose file is not there now.

        While a `git checkout` replaces it, the file may not be there: the generation has it.
        """
        for prefix in self._prefixes:
            found = _standing_for(".".join((*prefix, *folder)), self._file(folder))
            if found is not None:
                return found
        return None

    def load(self, folder: tuple[str, ...]) -> object:
        """Return the module of the package that a folder is, by the file in it.

        Raises:
            Refused: 404, it is not live, so it has no guards to ask.
            BaseException: the package raises it while it is loaded.
        """
        file = self._file(folder)
        try:
            found: object = _core.import_path(file)
        except ImportError as error:
            if not is_refusal(error):
                raise
            raise not_found(
                f"{file} is not live: who may see what is below cannot be asked"
            ) from None
        if (loader := _loader(found)) is not None:
            self._names[file] = loader.name
        return found

    def above(self, module: ModuleType) -> Iterator[object]:
        """Yield the modules of the packages that a module lies in by its name, from the top.

        Raises:
            Refused: 404, one of them is not there any more.
        """
        parts = str(vars(module)["__loader__"].name).split(".")
        for depth in range(1, len(parts)):
            name = ".".join(parts[:depth])
            try:
                yield _core.import_name(name)
            except ModuleNotFoundError:
                raise not_found(f"the package {name} is not there") from None

    def _file(self, folder: tuple[str, ...]) -> str:
        # Nothing in it is absolute: no need for all that `os.path.join` looks at.
        return f"{self._within}{os.sep.join((*folder, PACKAGE))}"


def _standing_for(name: str, file: str) -> ModuleType | None:
    """Return the module that a name leads to, if it was loaded and is that file."""
    if name not in sys.modules:
        return None
    try:
        found = _core.import_name(name)
    except ModuleNotFoundError:
        return None
    loader = _loader(found)
    return found if loader is not None and loader.path == file else None


def _loader(found: Any) -> Any:
    """Return the loader of a module of any type; None for all else."""
    return loader_in(vars(found)) if issubclass(type(found), ModuleType) else None
