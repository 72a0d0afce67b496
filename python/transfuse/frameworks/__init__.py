"""Foreign frameworks that keep live objects for longer than a generation lasts.

Most keep theirs in objects that live code makes, such as an `app`, and need nothing. The others
have a module here.

- `when_imported`: how a foreign module gets its adapter
- `template_files`, `template_check`: templates by generation, and whether they compile
- `jinja`, `django_templates`, `mako`: the engines, which are adapted when they are imported
- `django`: has one URL resolver per process, and one of each setting and model; it is called once
  the user's application has been loaded
- `celery`: a worker keeps the tasks that it began with; Celery imports it when a user names it
- `mcp`: sessions that outlive the application at which they began
- `pyfakefs`: a fake file system, for the program and not for Transfuse
- `plain_tasks`: warns about a Celery worker without it
"""

from __future__ import annotations

import sys
from importlib import import_module

from transfuse.frameworks import when_imported
from transfuse.process import install

# A foreign module -> the adapter here that is loaded with it, and the function of it to call.
_ADAPTERS = {
    "jinja2": ("jinja", "adapt"),
    "flask.sansio.scaffold": ("jinja", "adapt_flask"),
    "django.template.backends.django": ("django", "adapt_engines"),
    "django.template.loaders.filesystem": ("django_templates", "adapt_files"),
    "django.template.loaders.cached": ("django_templates", "adapt_cached"),
    "mako.lookup": ("mako", "adapt"),
    "mcp.server.lowlevel.server": ("mcp", "adapt"),
    "pyfakefs.fake_filesystem_unittest": ("pyfakefs", "adapt"),
}


def attend() -> None:
    """Have every framework that is in use, and needs it, answer by generation."""
    if "django.apps" in sys.modules:
        import_module(f"{__name__}.django").attend()


def _installed() -> None:
    if (check := sys.modules.get(f"{__name__}.template_check")) is not None:
        check.begin()
    when_imported.call(_ADAPTERS, _adapt)


def _adapt(name: str) -> None:
    module, function = _ADAPTERS[name]
    getattr(import_module(f"{__name__}.{module}"), function)()


install.on_install(_installed)
