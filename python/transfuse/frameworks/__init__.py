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
- `plain_tasks`: warns about a Celery worker without it
"""

from __future__ import annotations

from transfuse.frameworks import (
    django,
    django_templates,
    jinja,
    mako,
    template_check,
    when_imported,
)
from transfuse.process import install


def attend() -> None:
    """Have every framework that is in use, and needs it, answer by generation."""
    django.attend()


def _adapt_mcp() -> None:
    # It needs asyncio, which most programs do without at the start.
    from transfuse.frameworks import mcp  # noqa: PLC0415

    mcp.adapt()


def _installed() -> None:
    template_check.begin()
    when_imported.call(
        {
            "jinja2": jinja.adapt,
            "flask.sansio.scaffold": jinja.adapt_flask,
            "django.template.backends.django": django.adapt_engines,
            "django.template.loaders.filesystem": django_templates.adapt_files,
            "django.template.loaders.cached": django_templates.adapt_cached,
            "mako.lookup": mako.adapt,
            "mcp.server.lowlevel.server": _adapt_mcp,
        }
    )


install.on_install(_installed)
