"""Tendenci's settings, without what needs a server beside it."""

import os
from glob import glob
from importlib.util import find_spec

os.environ["TENDENCI_PROJECT_ROOT"] = os.environ["APP_DATA"]

from tendenci.settings import *  # noqa: F403

# One application has a map. These libraries come with packages that are installed by pip.
_SITE = os.path.dirname(os.path.dirname(find_spec("shapely").origin))
(GDAL_LIBRARY_PATH,) = glob(f"{_SITE}/pyogrio.libs/libgdal-*")
(GEOS_LIBRARY_PATH,) = glob(f"{_SITE}/shapely.libs/libgeos_c-*")
INSTALLED_APPS = [each for each in INSTALLED_APPS if each != "django.contrib.gis"]  # noqa: F405
MIGRATION_MODULES = {"social_services": None}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(os.environ["APP_DATA"], "site.db"),
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
LOGGING = {"version": 1, "disable_existing_loggers": False}
SECRET_KEY = SITE_SETTINGS_KEY = "not a secret, which has 32 letters"
ALLOWED_HOSTS = ["*"]
