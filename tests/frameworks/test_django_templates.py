"""Django's templates: a request renders those of its generation, with and without a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django_site import PROJECT, story

if TYPE_CHECKING:
    from pathlib import Path

CACHED = PROJECT["bookshop/settings.py"].replace(
    '"loaders": ["django.template.loaders.app_directories.Loader"]',
    """"loaders": [(
            "django.template.loaders.cached.Loader",
            ["django.template.loaders.app_directories.Loader"],
        )]""",
)
PAGES = {
    "books/templates/books/base.html": "{{ shop }} 1: {% block body %}{% endblock %}",
    "books/templates/books/row.html": "{{ book.title }} 1",
    "books/templates/books/list.html": (
        '{% extends "books/base.html" %}{% block body %}'
        '{% for book in object_list %}{% include "books/row.html" %}{% endfor %}{% endblock %}'
    ),
}


@pytest.mark.parametrize("settings", [CACHED, PROJECT["bookshop/settings.py"]])
@pytest.mark.parametrize("rendered", [True, False])
def test_p2_templates_are_of_the_generation_of_the_request(
    tmp_path: Path, settings: str, rendered: bool
) -> None:
    told = story(
        tmp_path,
        f"rendered = {rendered}",
        """
        if rendered:
            print(get("/books/"))
        with transfuse.pin():
            report = edit({
                "books/templates/books/base.html": "{{ shop }} 2: {% block body %}{% endblock %}",
                "books/templates/books/row.html": "{{ tax }} {{ book.title }} 2",
                "books/views.py": open("books/views.py").read() + '''
                '''.rstrip(" ") + "    extra_context = {'tax': 'tax'}\\n",
            })
            print(report.outcome, *[step.name for step in report.ran])
            for _ in range(2):
                print(get("/books/"))
                new = []
                thread = threading.Thread(target=lambda: new.append(get("/books/")))
                thread.start()
                thread.join()
                print(new[0])
        report = edit({"books/templates/books/row.html": "{% if %}"})
        print(report.outcome, "if" in report.traceback)
        print(get("/books/"))
        report = edit({"books/templates/books/row.html": "three"})
        print(report.outcome, *[step.name for step in report.ran])
        print(get("/books/"))
        """,
        files={"bookshop/settings.py": settings, **PAGES},
    )
    old, new = "200 Rivers 1: Emma 1", "200 Rivers 2: tax Emma 2"
    assert told == [
        *([old] if rendered else []),
        "published books.views books.urls bookshop.urls",
        *[old, new] * 2,
        "refused True",
        new,
        "published",
        "200 Rivers 2: three",
    ]
