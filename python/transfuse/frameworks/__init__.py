"""Foreign frameworks that keep live objects for longer than a generation lasts.

Most keep theirs in objects that live code makes, such as an `app`, and need nothing. The others
have a module here, which is called once the user's application has been loaded.

- `django`: has one URL resolver per process, and one of each setting and model
- `celery`: a worker keeps the tasks that it began with; Celery imports it when a user names it
- `plain_tasks`: warns about a Celery worker without it
"""

from __future__ import annotations

from transfuse.frameworks import django


def attend() -> None:
    """Have every framework that is in use, and needs it, answer by generation."""
    django.attend()
