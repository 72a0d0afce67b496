"""Tendenci with SQLite."""

import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "entry_tendenci_settings")


def prepare():
    for folder in ("addons", "themes", "media", "static"):
        os.mkdir(os.path.join(os.environ["APP_DATA"], folder))
    django.setup()
    from django.apps import apps
    from django.contrib.sites.models import Site
    from django.core.management import call_command
    from django.db import connection

    # Its migrations take minutes. Maps need another database.
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            meta = model._meta
            if meta.managed and not meta.proxy and meta.app_label != "social_services":
                editor.create_model(model)
    Site.objects.create(pk=1, domain="localhost", name="bench")
    call_command("loaddata", "initial_data", verbosity=0)


if __name__ == "__main__":
    prepare()
else:
    application = get_wsgi_application()
