"""How does Django render the templates of the generation that a request is pinned to?

Its loaders read files through the generation. The cached loader, its default, keeps each template,
and each name that no file has, with the files that were looked at.
"""

from __future__ import annotations

import sys
from typing import Any

from transfuse import _core
from transfuse.frameworks import template_check, template_files
from transfuse.frameworks.when_imported import replace
from transfuse.process.files import decoded


def adapt_files() -> None:
    """Have the loaders of files answer by generation."""
    loader = sys.modules["django.template.loaders.filesystem"].Loader
    replace(loader, "__init__", _made)
    replace(loader, "get_contents", _contents)


def adapt_cached() -> None:
    """Have the cached loader answer by generation."""
    replace(sys.modules["django.template.loaders.cached"].Loader, "get_template", _cached)


def keep_folders() -> None:
    """Keep the folders of templates that the settings name, before a template is rendered.

    Engines are not made for that: Django makes one when the first template is rendered, and then
    imports all libraries of tags. Their loaders keep further folders.
    """
    in_applications = sys.modules["django.template.utils"].get_app_template_dirs
    for settings in sys.modules["django.template"].engines.templates.values():
        # Without APP_DIRS, too: a loader in OPTIONS may read those of applications.
        jinja = settings["BACKEND"].endswith(".Jinja2")
        for folder in (*settings["DIRS"], *in_applications("jinja2" if jinja else "templates")):
            _core.keep_folder(folder)


def _made(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    # Before, the folders of applications are not known.
    for folder in self.get_dirs() if sys.modules["django.apps"].apps.ready else ():
        _core.keep_folder(folder)


def _contents(original: Any, self: Any, origin: Any) -> Any:
    if not _core.installed():
        return original(self, origin)
    with template_files.recorded() as reads:
        content = template_files.content(origin.name)
    if content is None:
        raise sys.modules["django.template"].TemplateDoesNotExist(origin)
    template_check.made(self.engine, _compile, lasts=True)
    template_check.loaded(self.engine, origin.template_name, reads)
    return decoded(content, self.engine.file_charset)


def _cached(original: Any, self: Any, template_name: str, skip: Any = None) -> Any:
    if not _core.installed():
        return original(self, template_name, skip)
    absent = sys.modules["django.template"].TemplateDoesNotExist
    copy = sys.modules["django.template.backends.django"].copy_exception
    # Beside the keys of Django's own, which are strings.
    key = (self.cache_key(template_name, skip), "transfuse")
    versions = self.get_template_cache.setdefault(key, template_files.Versions())
    found = versions.find(look=False)
    if found is None:
        with template_files.recorded() as reads:
            try:
                base = sys.modules["django.template.loaders.cached"].Loader
                found = super(base, self).get_template(template_name, skip)
            except absent as error:
                found = copy(error) if self.engine.debug else absent
        versions.add(reads, found)
    if isinstance(found, type):
        raise found(template_name)
    if isinstance(found, absent):
        raise copy(found)
    return found


def _compile(engine: Any, name: str, whole: bool) -> None:  # noqa: ARG001 - an engine lasts
    try:
        engine.get_template(name)
    except sys.modules["django.template"].TemplateDoesNotExist:
        return
