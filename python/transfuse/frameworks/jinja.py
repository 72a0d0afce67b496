"""How does Jinja render the templates of the generation that a request is pinned to?

Its loaders read files through the generation, and an environment's cache keeps the content of its
templates' files, also without `auto_reload`. Flask's, Quart's and Starlette's templates are
Jinja's.
"""

from __future__ import annotations

import os
import posixpath
import sys
import weakref
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.frameworks import template_check, template_files
from transfuse.frameworks.when_imported import replace
from transfuse.process.files import decoded

if TYPE_CHECKING:
    from collections.abc import Callable

# Under this name a template keeps those of the same name in other generations.
_VERSIONS = "__transfuse_versions__"


def adapt() -> None:
    """Have Jinja answer by generation."""
    loaders = sys.modules["jinja2.loaders"]
    environment = sys.modules["jinja2.environment"].Environment
    replace(loaders.FileSystemLoader, "__init__", _made_for_folders)
    replace(loaders.FileSystemLoader, "get_source", _source_in_folders)
    replace(loaders.PackageLoader, "__init__", _made_for_package)
    replace(loaders.PackageLoader, "get_source", _source_in_package)
    replace(environment, "__init__", _made)
    replace(environment, "_load_template", _load)


def adapt_flask() -> None:
    """Have applications and blueprints keep their templates before they render the first one."""
    replace(sys.modules["flask.sansio.scaffold"].Scaffold, "__init__", _made_scaffold)


def _made_scaffold(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    if self.template_folder is not None:
        _core.keep_folder(os.path.join(self.root_path, self.template_folder))


def _made_for_folders(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    for folder in self.searchpath:
        _core.keep_folder(folder)


def _made_for_package(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    if _is_folder(self):
        _core.keep_folder(self._template_root)


def _is_folder(loader: Any) -> bool:
    """Whether a package's templates lie in a folder; Jinja 2 does not say."""
    return getattr(loader, "_archive", loader) is None


def _source_in_folders(
    original: Any, self: Any, environment: Any, template: str
) -> tuple[str, str, Callable[[], bool]]:
    if not _core.installed():
        return original(self, environment, template)  # type: ignore[no-any-return]
    found = _source(self, environment, template, self.searchpath)
    if found is None:
        paths = ", ".join(map(repr, self.searchpath))
        plural = "path" if len(self.searchpath) == 1 else "paths"
        message = f"{template!r} not found in search {plural}: {paths}"
        raise sys.modules["jinja2.exceptions"].TemplateNotFound(template, message)
    return found


def _source_in_package(original: Any, self: Any, environment: Any, template: str) -> Any:
    if not _is_folder(self) or not _core.installed():
        return original(self, environment, template)
    found = _source(self, environment, template, [self._template_root])
    if found is None:
        raise sys.modules["jinja2.exceptions"].TemplateNotFound(template)
    return found


def _source(
    self: Any, environment: Any, template: str, folders: list[str]
) -> tuple[str, str, Callable[[], bool]] | None:
    pieces = sys.modules["jinja2.loaders"].split_template_path(template)
    # A loader may be asked without an environment.
    looks = getattr(environment, "auto_reload", True)
    with template_files.recorded() as reads:
        for folder in folders:
            file = os.path.normpath(posixpath.join(folder, *pieces))
            if (content := template_files.content(file)) is not None:
                is_current = lambda: reads.hold(look=looks)  # noqa: E731
                return decoded(content, self.encoding), file, is_current
    return None


def _made(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    template_check.made(self, _compile)


def _load(original: Any, self: Any, name: str, globals: Any) -> Any:
    if self.loader is None or self.cache is None or not _core.installed():
        return original(self, name, globals)
    key = (weakref.ref(self.loader), name)
    cached = self.cache.get(key)
    versions = None if cached is None else vars(cached).get(_VERSIONS)
    if cached is not None and versions is None:
        # It comes from no file.
        return original(self, name, globals)
    versions = versions or template_files.Versions()
    template = versions.find(look=self.auto_reload)
    if template is not None:
        # As Jinja does for a template in its cache.
        if globals:
            template.globals.update(globals)
        return template
    with template_files.recorded() as reads:
        template = self.loader.load(self, name, self.make_globals(globals))
    if reads.files:
        versions.add(reads, template)
        vars(template)[_VERSIONS] = versions
        template_check.made(self, _compile)
        template_check.loaded(self, name, reads)
    self.cache[key] = template
    return template


def _compile(environment: Any, name: str, whole: bool) -> None:
    errors = sys.modules["jinja2.exceptions"]
    try:
        if whole:
            environment.get_template(name)
        elif environment.loader is not None:
            source, file, _ = environment.loader.get_source(environment, name)
            environment.parse(source, name, file)
    except errors.TemplateNotFound:
        return
    except errors.TemplateSyntaxError as error:
        # An extension may be new.
        if whole or "unknown tag" not in str(error):
            raise
