"""The Django project that the tests edit, and the requests to it.

Django's settings and its registry of models are made once in a process, so each story runs in an
interpreter of its own: `story` writes the project, and runs the story's lines after `ASKING`.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from support.interpreter import python

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = {
    "bookshop/__init__.py": "",
    "bookshop/settings.py": """
        from pathlib import Path

        BASE = Path(__file__).parent.parent
        SECRET_KEY = "for stories"
        ALLOWED_HOSTS = ["*"]
        DEBUG = False
        USE_TZ = True
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "books"]
        MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "bookshop.middleware.Stamp"]
        ROOT_URLCONF = "bookshop.urls"
        DATABASES = {
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "books.sqlite3"}
        }
        GREETING = "Welcome"
        TEMPLATES = [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["books.context.shop"],
                    # The default keeps what it has read; these read a template at each request.
                    "loaders": ["django.template.loaders.app_directories.Loader"],
                },
            }
        ]
        """,
    "bookshop/urls.py": """
        from django.urls import include, path

        urlpatterns = [path("books/", include("books.urls"))]
        handler404 = "bookshop.errors.not_found"
        """,
    "bookshop/errors.py": """
        from django.http import HttpResponse

        def not_found(request, exception):
            return HttpResponse("no such page", status=404)
        """,
    "bookshop/middleware.py": """
        class Stamp:
            def __init__(self, get_response):
                self.get_response = get_response

            def __call__(self, request):
                response = self.get_response(request)
                response["X-Stamp"] = "one"
                return response
        """,
    "bookshop/wsgi.py": """
        import os
        from django.core.wsgi import get_wsgi_application

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")
        application = get_wsgi_application()
        """,
    "bookshop/asgi.py": """
        import os
        from django.core.asgi import get_asgi_application

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")
        application = get_asgi_application()
        """,
    "books/__init__.py": "",
    "books/apps.py": """
        from django.apps import AppConfig

        class BooksConfig(AppConfig):
            name = "books"

            def ready(self):
                from books import signals
        """,
    "books/models.py": """
        from django.db import models
        from books.fields import LENGTH

        class Author(models.Model):
            name = models.CharField(max_length=LENGTH)

        class Book(models.Model):
            title = models.CharField(max_length=LENGTH)
            author = models.ForeignKey(Author, models.CASCADE, related_name="books")
            pence = models.IntegerField()
        """,
    "books/fields.py": "LENGTH = 80",
    "books/signals.py": """
        from django.db.models.signals import post_save
        from django.dispatch import receiver
        from books.models import Book

        saved = []

        @receiver(post_save, sender=Book)
        def remember(sender, instance, **_):
            saved.append(instance.title)
        """,
    "books/context.py": "def shop(request): return {'shop': 'Rivers'}",
    "books/forms.py": """
        from django import forms
        from books.models import Book

        class BookForm(forms.ModelForm):
            class Meta:
                model = Book
                fields = ["title", "author", "pence"]
        """,
    "books/templatetags/__init__.py": "",
    "books/templatetags/money.py": """
        from django import template

        register = template.Library()

        @register.filter
        def pounds(pence):
            return f"{pence / 100:.2f}"
        """,
    "books/prices.py": "def with_tax(pence): return pence",
    "books/views.py": """
        from django.http import HttpResponse
        from django.shortcuts import get_object_or_404, render
        from django.urls import reverse
        from django.views.generic import ListView
        from books.forms import BookForm
        from books.models import Book
        from books.prices import with_tax

        def price(request, number):
            book = get_object_or_404(Book, pk=number)
            return HttpResponse(f"{book.title}: {with_tax(book.pence)}")

        def links(request):
            return HttpResponse(reverse("books:price", args=[1]))

        def add(request):
            form = BookForm(request.POST)
            if not form.is_valid():
                return HttpResponse("refused", status=400)
            return HttpResponse(f"added {form.save().title}")

        class Books(ListView):
            queryset = Book.objects.order_by("pk")
            template_name = "books/list.html"
        """,
    "books/urls.py": """
        from django.urls import path
        from books import views

        app_name = "books"
        urlpatterns = [
            path("", views.Books.as_view(), name="list"),
            path("<int:number>/", views.price, name="price"),
            path("links/", views.links),
            path("add/", views.add),
        ]
        """,
    "books/templates/books/list.html": """
        {% load money %}{{ shop }}:{% for book in object_list %}
        {{ book.title }} by {{ book.author.name }} {{ book.pence|pounds }}{% endfor %}
        """,
}

# The beginning of each test: the project is live and served, and has one book.
ASKING = """
    import io, logging, os, sys, textwrap, threading, warnings
    import transfuse

    os.environ["DJANGO_SETTINGS_MODULE"] = "bookshop.settings"
    told = []

    class Told(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())

    logging.getLogger("transfuse").addHandler(Told(logging.WARNING))
    transfuse.install(roots=[os.getcwd()], watch=False)
    application = transfuse.wsgi("bookshop.wsgi:application")

    from django.core.management import call_command
    call_command("migrate", run_syncdb=True, verbosity=0)
    Author, Book = (getattr(transfuse.import_module("books.models"), n) for n in ("Author", "Book"))
    Book.objects.create(title="Emma", author=Author.objects.create(name="Austen"), pence=250)

    from werkzeug.test import Client

    def get(path, **more):
        answer = Client(application).get(path, **more)
        return f"{answer.status_code} {answer.text.strip()}"

    def write(files):
        for name, text in files.items():
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            with open(name, "w") as out:
                out.write(textwrap.dedent(text))

    def edit(files):
        write(files)
        return transfuse.update()

    def change(name, old, new):
        with open(name) as text:
            source = text.read()
        assert old in source, source
        return edit({name: source.replace(old, new)})
    """


def story(folder: Path, *pieces: str, files: dict[str, str] | None = None) -> list[str]:
    """Run a script on the project, with other files in it; return the lines that it prints."""
    root = folder / "site"
    for name, source in {**PROJECT, **(files or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    return python(root, ASKING, *pieces, flags=("-W", "error"))
