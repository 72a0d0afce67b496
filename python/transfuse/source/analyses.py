"""Results of reading sources, kept by content: in memory, and beside the precompiled code.

What the functions of a source keep (`function_scan.py`) depends on its text only, and the first
update of a process asks for that of many sources. So the next process finds it on disk. A file
that is damaged, of other content, or of another version of this analysis counts as absent; where
none can be written, the next process reads the source again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from transfuse.source.kept_places import Import, Keeper, Kept, Passed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

_T = TypeVar("_T")
# The modules that decide what the kept results say.
_READERS = (
    *("analyses", "call_names", "decisions", "function_scan", "import_flow", "kept_places"),
    *("syntax", "unseen_calls", "walks"),
)


class Source(NamedTuple):
    """A module and its source.

    Attributes:
        text: reads its source.
        digest: of the source, if it is known.
        name: the module's dotted name.
        is_package: whether it is a package.
        namespace: its globals.
        code: reads its precompiled code; none if there is none for this source.
        kept: reads what lies beside that, if anything, or replaces it.
        named: reads which live modules its import statements have named in this process; none if
            that does not tell what its functions, and their former versions, have done.
    """

    text: Callable[[], bytes]
    digest: int | None
    name: str
    is_package: bool
    namespace: dict[str, Any]
    code: Callable[[], CodeType | None]
    kept: Callable[..., bytes | None]
    named: Callable[[], list[str] | None]


# (digest of a source, a function of it, that one's other arguments) -> the result.
_KNOWN: dict[tuple[Any, ...], Any] = {}
_MOST_KNOWN = 2_000
# Digest of a source -> its results as they are in its file: the function's name and its other
# arguments, and the result.
_STORED: dict[int, list[list[Any]]] = {}
# Digests of the sources whose files are to be written.
_CHANGED: set[int] = set()


def known(by: Source, read: Callable[..., _T], *others: frozenset[str]) -> _T:
    """Return `read(by, *others)`, which is computed once for each content."""
    if by.digest is None:
        return read(by, *others)
    key = (by.digest, read, *others)
    if key not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
            _STORED.clear()
        _KNOWN[key] = _stored(by, by.digest, read, others)
    return cast("_T", _KNOWN[key])


def save(by: Source) -> None:
    """Write the results of a source that are new."""
    if by.digest is None or by.digest not in _CHANGED:
        return
    _CHANGED.discard(by.digest)
    signature = _signature()
    if signature:
        content = {"made by": signature, "of": by.digest, "results": _STORED.get(by.digest, [])}
        by.kept(json.dumps(content).encode())


def _stored(
    by: Source, digest: int, read: Callable[..., _T], others: tuple[frozenset[str], ...]
) -> _T:
    """Return a result that is on disk, or compute it, to be written."""
    form = _FORMS.get(read.__name__)
    if form is None:
        return read(by, *others)
    question = [read.__name__, *(sorted(each) for each in others)]
    if digest not in _STORED:
        _STORED[digest] = _read(by, digest)
    for entry in _STORED[digest]:
        if entry[0] == question:
            try:
                return cast("_T", form(entry[1]))
            except (LookupError, TypeError, ValueError):
                _STORED[digest] = []
                break
    found = read(by, *others)
    plain = sorted(found) if isinstance(found, frozenset) else found
    _STORED[digest].append([question, plain])
    _CHANGED.add(digest)
    return found


def _read(by: Source, digest: int) -> list[list[Any]]:
    signature, content = _signature(), by.kept()
    if not signature or content is None:
        return []
    try:
        told = json.loads(content)
        if told["made by"] == signature and told["of"] == digest:
            return [[question, result] for question, result in told["results"]]
    except (LookupError, TypeError, ValueError, RecursionError):
        pass
    return []


def _signature() -> str:
    """Return a digest of this analysis; an empty text if its own sources are not at hand."""
    global _made_by  # noqa: PLW0603 - computed once
    if _made_by is None:
        digest = hashlib.sha256(sys.version.encode())
        try:
            for name in _READERS:
                loader: Any = import_module(f"transfuse.source.{name}").__loader__
                path = loader.get_filename(f"transfuse.source.{name}")
                digest.update(loader.get_data(path))
            _made_by = digest.hexdigest()
        except (AttributeError, ImportError, OSError):
            _made_by = ""
    return _made_by


_made_by: str | None = None


def _keepers(plain: list[Any]) -> tuple[Keeper, ...]:
    return tuple(map(_keeper, plain))


def _keeper(fields: list[Any]) -> Keeper:
    keeper = Keeper(*fields)
    return keeper._replace(
        imports=tuple(Import(at, module, tuple(names)) for at, module, names in keeper.imports),
        calls=tuple(keeper.calls),
        kept=_kept(keeper.kept),
        passed=tuple(
            Passed(function, tuple(roots), _kept(given), tuple(places))
            for function, roots, given, places in keeper.passed
        ),
        returned=_kept(keeper.returned),
        decorators=tuple(keeper.decorators),
    )


def _kept(plain: Any) -> tuple[Kept, ...]:
    return tuple(Kept(*each) for each in plain)


# Names of the functions whose results are kept -> what makes a result of its plain form.
_FORMS: dict[str, Callable[[Any], Any]] = {"_keepers": _keepers, "_names_used": frozenset}
