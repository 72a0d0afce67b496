"""Tendenci, the site of an association: 77 times `include` in its root URLconf."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

TENDENCI = App(
    name="tendenci",
    framework="Django",
    release=Release("15.3.5", "ec0b03e98699b9fec85ac193158132678f12e600779d3b583952919cfe89489a"),
    following=Release("15.3.6", "26f2062e3fcbd01dd3db06309dd183814ea041c755f18ed3487e7b39862ae979"),
    interface="wsgi",
    # These bring the libraries of its maps.
    needs=("pyogrio", "shapely"),
    prepare=True,
    requests=(
        Request("/"),
        Request("/accounts/login/"),
        Request("/robots.txt"),
        Request("/sitemap/"),
        Request("/events/"),
        Request("/help-files/"),
        Request("/bench/"),
    ),
    edits=(
        Edit(
            "leaf",
            "tendenci/apps/base/views.py",
            "context={'site_url': site_url}, content_type=\"text/plain\")",
            "context={'site_url': site_url}, content_type=\"text/edited\")",
        ),
        Edit("middle", "tendenci/apps/base/http.py", "", "\nEDITED = True\n"),
        Edit("entry", "entry_tendenci.py", "", "\nEDITED = True\n"),
        Edit("model", "tendenci/apps/help_files/models.py", "", "\nHelpFile.edited = True\n"),
        Edit(
            "route",
            "tendenci/urls.py",
            "    re_path(r'^robots.txt', base_views.robots_txt, name=\"robots\"),\n",
            "    re_path(r'^robots.txt', base_views.robots_txt, name=\"robots\"),\n"
            "    path('bench/', base_views.robots_txt),\n",
        ),
    ),
)
