"""Django has lazy objects, which cannot be asked for their class in every project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_site import story

if TYPE_CHECKING:
    from pathlib import Path


def test_p11_a_project_without_the_admin_may_import_it(tmp_path: Path) -> None:
    # `django.contrib.admin.site` looks for the application at its first use, and raises.
    told = story(
        tmp_path,
        """
        print(change("books/prices.py", "return pence", "return pence * 2").outcome)
        print(get("/books/1/"))
        """,
        files={
            "bookshop/errors.py": """
                from django.contrib.admin.utils import quote
                from django.http import HttpResponse

                def not_found(request, exception):
                    return HttpResponse(quote("no such page"), status=404)
                """,
            "bookshop/middleware.py": """
                from bookshop import errors

                def Stamp(get_response):
                    return get_response
                """,
        },
    )
    assert told == ["published", "200 Emma: 500"]
