"""Modules of which Django keeps objects are held: a change waits for a restart, and is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_site import PROJECT, story

if TYPE_CHECKING:
    from pathlib import Path


def test_tags_and_processors_that_no_template_used_are_imported_by_the_first_rendering(
    tmp_path: Path,
) -> None:
    told = story(
        tmp_path,
        """
        names = ["books.templatetags.money", "books.context"]
        print(*(name in sys.modules for name in names))
        print(change("books/templatetags/money.py", "/ 100", "/ 10").restart)
        print(change("books/context.py", "Rivers", "Lakes").restart, get("/books/").split())
        for path, old, new in [
            ("books/templatetags/money.py", "/ 10", "/ 1"),
            ("books/context.py", "Lakes", "Hills"),
        ]:
            print(change(path, old, new).restart[0].code, get("/books/").split())
        """,
    )
    assert told == [
        "False False",
        "()",
        "() ['200', 'Lakes:', 'Emma', 'by', 'Austen', '25.00']",
        *["never-policy ['200', 'Lakes:', 'Emma', 'by', 'Austen', '25.00']"] * 2,
    ]


def test_what_needs_a_restart_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        # The first rendering imports the context processors.
        get("/books/")
        for name, old, new in [
            ("bookshop/settings.py", "Welcome", "Hello"),
            ("books/models.py", "pence =", "isbn = models.CharField(max_length=9); pence ="),
            ("books/signals.py", "saved.append", "print"),
            ("books/apps.py", "def ready", "verbose_name = 'B'; def ready"),
            ("books/context.py", "Rivers", "Lakes"),
        ]:
            with open(name) as text:
                source = text.read()
            write({name: source.replace(old, new)})
            planned = transfuse.plan()
            report = transfuse.update()
            assert planned.restart == report.restart
            print(*(f"{each.name} {each.code}" for each in report.restart), report.ran)
            print(get("/books/1/"), [each.name for each in transfuse.status().restart] != [])
            edit({name: source})
        from books.signals import saved
        Book.objects.create(title="Sanditon", author_id=1, pence=1)
        print(saved)
        """,
    )
    served = "200 Emma: 250 True"
    assert told == [
        "bookshop.settings never-policy ()",
        served,
        "books.models never-policy ()",
        served,
        "books.signals never-policy ()",
        served,
        "books.apps never-policy ()",
        served,
        "books.context never-policy ()",
        served,
        "['Emma', 'Sanditon']",
    ]


def test_what_a_model_took_from_another_module_is_told(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        report = change("books/fields.py", "80", "90")
        print(report.outcome, [each.name for each in report.ran], report.restart[0].what)
        # It is told with each later update, too.
        report = change("books/prices.py", "return pence", "return pence * 2")
        print(report.outcome, report.restart[0].what)
        """,
    )
    kept = (
        "books.models keeps what it took of books.fields when it was loaded: Django cannot load it"
        " twice; restart the server"
    )
    assert told == [f"published ['books.fields'] {kept}", f"published {kept}"]


def test_what_the_configuration_of_an_application_has_taken_is_told(tmp_path: Path) -> None:
    configuration = """
        from django.apps import AppConfig

        class BooksConfig(AppConfig):
            name = "books"

            def ready(self):
                from books.pages import Page
                self.pages = [Page]
        """
    told = story(
        tmp_path,
        """
        print(change("books/pages.py", "1", "2").restart[0].what)
        print(change("books/prices.py", "return pence", "return pence * 2").restart[0].what)
        """,
        files={"books/apps.py": configuration, "books/pages.py": "class Page: number = 1"},
    )
    assert (
        told
        == [
            "books.apps keeps what it took of books.pages when it was loaded: Django cannot load it"
            " twice; restart the server"
        ]
        * 2
    )


def test_all_that_a_configuration_keeps_is_told_also_if_it_has_changed_itself(
    tmp_path: Path,
) -> None:
    configuration = """
        from django.apps import AppConfig

        class BooksConfig(AppConfig):
            name = "books"

            def ready(self):
                from books.covers import Cover
                from books.pages import Page
                self.kept = [Cover, Page]
        """
    told = story(
        tmp_path,
        """
        change("books/apps.py", "def ready", "verbose_name = 'B'; def ready")
        change("books/pages.py", "1", "2")
        print(*(each.what for each in change("books/covers.py", "1", "2").restart), sep="\\n")
        """,
        files={
            "books/apps.py": configuration,
            "books/covers.py": "class Cover: number = 1",
            "books/pages.py": "class Page: number = 1",
        },
    )
    assert told == [
        'books.apps changed and its policy is "never": restart the server; books.apps keeps what'
        " it took of books.covers, books.pages when it was loaded: Django cannot load it twice;"
        " restart the server"
    ]


SIGNALS = """
    __reload__ = "overlay"
    from django.db.models.signals import post_save

    def remember(sender, instance, **_):
        saved.append(f"one {instance}")

    saved = []
    post_save.connect(remember, sender="books.Author")

    def __dispose__():
        post_save.disconnect(remember, sender="books.Author")
    """


def test_what_a_module_says_itself_counts_more_than_what_is_held(tmp_path: Path) -> None:
    """A module that takes back what it registers needs no restart, and says so."""
    told = story(
        tmp_path,
        """
        from books import signals
        report = change("books/signals.py", "one", "two")
        print(report.outcome, report.restart)
        Author.objects.create(name="Eliot")
        print(*(each.split()[0] for each in signals.saved))
        """,
        files={"books/signals.py": SIGNALS},
    )
    assert told == ["published ()", "two"]


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
