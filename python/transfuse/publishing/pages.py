"""Finds the module of a file in the generation of this request, and its definitions.

A page is found by the name its module was loaded under, in the pinned generation. The file is
only asked for when that leads nowhere: while a `git checkout` replaces it, it may not be there.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from transfuse import _core
from transfuse.errors import ContentGone
from transfuse.publishing.defined_names import Definitions, read

# Module -> the digest of its source, and what that defines. Written by the first thread that asks
# (all would write the same); entries leave with the module. A patched module gets another digest.
_readings: WeakKeyDictionary[ModuleType, tuple[str, Definitions]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Page:
    """A live module of one generation.

    Attributes:
        module: the module itself, never its facade.
        defines: the definitions of the source that it was run from.
    """

    module: ModuleType
    defines: Definitions

    @property
    def namespace(self) -> dict[str, Any]:
        """The module's globals."""
        return vars(self.module)


class Pages:
    """The pages under one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        # File -> the name of its module and the path its loader says, such as
        # {"/srv/site/b/index.py": ("index_5f3a9c01", "/srv/site/b/index.py")}. Written by
        # the thread that loads a page; entries leave when the name leads to that file no more.
        self._names: dict[str, tuple[str, str]] = {}
        # Module -> where the folder was, and whether the module's file is in it. Written by
        # the first thread that asks; entries leave with the module, whose path never changes.
        self._having: WeakKeyDictionary[ModuleType, tuple[str, bool]] = WeakKeyDictionary()

    def may_be(self, file: str) -> bool:
        """Tell whether it is worth while to ask for the page of a file, absolute."""
        return file in self._names or os.path.isfile(file)

    def ready(self, file: str) -> Page | None:
        """Return the page of a file, absolute, if there is nothing to execute or to parse."""
        module = self._known(file)
        return None if module is None else _page(module, parse=False)

    def load(self, file: str) -> Page | None:
        """Return the page of a file, loaded if need be; None if that is no live file.

        Raises:
            BaseException: the module raises it while it is loaded.
        """
        module = self._known(file)
        if module is not None:
            return _page(module)
        if not os.path.isfile(file):
            return None
        try:
            module = _core.import_path(file)
        except ImportError as error:
            if not is_refusal(error):
                raise
            return None
        loader = _loader(module)
        if loader is None:  # it has put something else in its place
            return None
        self._names[file] = (loader.name, loader.path)
        return _page(module)

    def _known(self, file: str) -> ModuleType | None:
        """Return the module of a file that was loaded before, in some generation."""
        known = self._names.get(file)
        if known is None:
            return None
        name, path = known
        try:
            module = _core.import_name(name)
        except ModuleNotFoundError as error:
            # Of another name: a module that the page itself imports is missing.
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            module = None
        loader = _loader(module)
        if loader is None or loader.path != path:
            self._names.pop(file, None)
            return None
        return module

    def of_class(self, cls: type[Any]) -> Page | None:
        """Return the page under the folder whose source has the statement that made a class.

        None for all other classes: foreign ones, those made in functions or by calls, those of a
        source that is no more, and those whose name stands for something else by now.
        """
        own = own_names(cls)
        name, qualified = own.get("__module__"), cls.__qualname__
        if not isinstance(name, str) or name not in sys.modules:
            return None
        try:
            module = _core.import_name(name)
        except ModuleNotFoundError:
            return None
        loader = _loader(module)
        if loader is None or not self._has(module, loader.path):
            return None
        page = _page(module)
        if page is None or qualified not in page.defines.classes:
            return None
        return page if page.namespace.get(qualified) is cls else None

    def _has(self, module: ModuleType, file: str) -> bool:
        real = os.path.realpath(self.folder)
        where, has = self._having.get(module, ("", False))
        if where != real:
            has = os.path.commonpath([real, os.path.realpath(file)]) == real
            self._having[module] = (real, has)
        return has


def own_names(cls: type[Any]) -> dict[str, Any]:
    """Return the names of a class itself, past its metaclass."""
    own: dict[str, Any] = type.__dict__["__dict__"].__get__(cls)
    return own


def _page(module: ModuleType, *, parse: bool = True) -> Page | None:
    loader = _loader(module)
    digest = None if loader is None else loader.digest
    if digest is None:
        return None
    reading = _readings.get(module)
    if reading is None or reading[0] != digest:
        if not parse:
            return None
        reading = _readings[module] = (digest, read(loader.get_source()))
    return Page(module, reading[1])


def loader_in(namespace: dict[str, Any]) -> Any:
    """Return the loader of a live module, given its namespace; None for all others."""
    loader = namespace.get("__loader__")
    return loader if type(loader).__module__ == "transfuse._core" else None


def is_refusal(error: ImportError) -> bool:
    """Whether the core says that a file is not live; what user code raises has its frames.

    To be asked by the function that has called the core.
    """
    if isinstance(error, ContentGone):
        return False
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def _loader(module: object) -> Any:
    # A module that is not of the plain type may answer otherwise than by its namespace.
    return loader_in(vars(module)) if type(module) is ModuleType else None
