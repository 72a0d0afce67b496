"""Tendenci with SQLite."""

import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "entry_tendenci_settings")


def prepare():
    for folder in ("themes", "media", "static"):
        os.mkdir(os.path.join(os.environ["APP_DATA"], folder))
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=1)


if __name__ == "__main__":
    prepare()
else:
    application = get_wsgi_application()
