"""How does Mako render the templates of the generation that a request is pinned to?

A `TemplateLookup` reads files through the generation, and keeps what it has compiled with the files
that were looked at, also without `filesystem_checks`. Its folder of compiled templates is not used,
because that has one of each name.
"""

from __future__ import annotations

import posixpath
import sys
from typing import Any
from weakref import WeakKeyDictionary

from transfuse import _core
from transfuse.frameworks import template_check, template_files
from transfuse.frameworks.when_imported import replace

# The templates of each lookup, by their names. Entries leave with the lookup.
_kept: WeakKeyDictionary[Any, dict[str, template_files.Versions]] = WeakKeyDictionary()


def adapt() -> None:
    """Have Mako answer by generation."""
    lookup = sys.modules["mako.lookup"].TemplateLookup
    replace(lookup, "__init__", _made)
    replace(lookup, "get_template", _load)


def _made(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    for folder in self.directories:
        _core.keep_folder(folder)
    template_check.made(self, _compile)


def _load(original: Any, self: Any, uri: str) -> Any:
    if not _core.installed():
        return original(self, uri)
    versions = _kept.setdefault(self, {}).setdefault(uri, template_files.Versions())
    found = versions.find(look=self.filesystem_checks)
    if found is not None:
        return found
    if uri in self._collection:
        # Put there by name: `put_string`, `put_template`.
        return original(self, uri)
    with template_files.recorded() as reads:
        found = _new(self, uri)
    if found is None:
        message = f"Can't locate template for uri {uri!r}"
        raise sys.modules["mako.exceptions"].TopLevelLookupException(message)
    versions.add(reads, found)
    template_check.made(self, _compile)
    template_check.loaded(self, uri, reads)
    return found


def _new(self: Any, uri: str) -> Any:
    """Compile a template; None if no folder has it."""
    for folder in self.directories:
        file = posixpath.normpath(posixpath.join(folder, uri.replace("\\", "/").lstrip("/")))
        if (content := template_files.content(file)) is not None:
            template = sys.modules["mako.template"].Template
            return template(text=content, uri=uri, filename=file, lookup=self, **self.template_args)
    return None


def _compile(lookup: Any, name: str, whole: bool) -> None:  # noqa: ARG001 - it knows no filters
    try:
        lookup.get_template(name)
    except sys.modules["mako.exceptions"].TopLevelLookupException:
        return
