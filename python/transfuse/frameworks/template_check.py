"""Does a changed template compile, before an update is published?

A fresh process would answer with an error, so the update is refused. Only templates that have been
rendered are compiled, each with the object that loads it: Jinja's environment, Django's engine,
Mako's lookup. If modules ran, another such object may be made later, with filters and tags that
this one does not know, so then only what no such object can accept is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from transfuse import _core
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.frameworks.template_files import Reads

    # Loads a template by its name, or only parses it; raises what the engine raises.
    Compile = Callable[[Any, str, bool], None]


def begin() -> None:
    """Transfuse was installed: generations are counted anew."""
    _check.since = 0
    _loaders.clear()


class _Loader:
    """The state of one object that loads templates."""

    def __init__(self, compiles: Compile, *, lasts: bool) -> None:
        self.compiles = compiles
        # Whether it is the same in all generations.
        self.lasts = lasts
        # "base.html" -> the files that the last one was made from.
        self.loaded: dict[str, Reads] = {}
        # The last generation that it was made or used in.
        self.generation = 0


# Entries leave with the loading object.
_loaders: WeakKeyDictionary[Any, _Loader] = WeakKeyDictionary()


def made(owner: Any, compiles: Compile, *, lasts: bool = False) -> None:
    """An object that loads templates is used by the caller's generation."""
    if not _core.installed():
        return
    known = _loaders.get(owner)
    if known is None:
        known = _loaders[owner] = _Loader(compiles, lasts=lasts)
    known.generation = max(known.generation, _core.answering()[0])
    participants.register(_check)


def loaded(owner: Any, name: str, reads: Reads) -> None:
    """It has loaded a template from these files."""
    known = _loaders.get(owner)
    if known is not None:
        known.loaded[name] = reads


class _Check(participants.Participant):
    """Refuses an update in which a template does not compile."""

    order = 6

    def __init__(self) -> None:
        # Since which generation no modules ran: templates that were used since are still in use.
        self.since = 0
        self._ran = False

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Compile the templates that differ in the staged generation."""
        self._ran = bool(_core.answering()[1])
        known = list(_loaders.items())
        new = [each for each in known if each[1].generation == generation]
        used = [each for each in known if self.since <= each[1].generation < generation]
        for owner, loader in used:
            for name, reads in list(loader.loaded.items()):
                if reads.hold(look=False):
                    continue
                if loader.lasts or not self._ran:
                    loader.compiles(owner, name, True)
                elif others := [each for each in new if type(each[0]) is type(owner)]:
                    for other, its in others:
                        its.compiles(other, name, True)
                else:
                    loader.compiles(owner, name, False)

    def published(self, generation: int) -> None:
        """Other objects load templates now, if modules ran."""
        if self._ran:
            self.since = generation

    def abandoned(self, generation: int) -> None:
        """Forget the loaders that the staged modules made."""
        for loader in list(_loaders.values()):
            if loader.generation == generation:
                loader.generation = 0


_check = _Check()
