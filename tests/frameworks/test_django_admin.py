"""Django's admin: its classes wait for a restart, and a project may do without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_site import PROJECT, story

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = {
    "books/admin.py": """
        from django.contrib import admin
        from books.models import Book

        @admin.register(Book)
        class BookAdmin(admin.ModelAdmin):
            list_display = ["title"]
        """,
    "bookshop/settings.py": f"""
{PROJECT["bookshop/settings.py"]}
        MIDDLEWARE += [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ]
        INSTALLED_APPS += ["django.contrib.admin", "django.contrib.messages"]
        SILENCED_SYSTEM_CHECKS = ["admin.E404", "admin.E409", "admin.E402"]
        """,
}


def test_the_admins_classes_wait_for_a_restart(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        report = change("books/admin.py", '"title"', '"title", "pence"')
        print(report.outcome, *(each.name for each in report.restart))
        """,
        files=ADMIN,
    )
    assert told == ["published books.admin"]


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
