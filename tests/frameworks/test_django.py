"""Django: URLs, views, forms and middleware are live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_site import story

if TYPE_CHECKING:
    from pathlib import Path


def test_a_route_is_added_changed_and_removed(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        print(get("/books/authors/"), "|", get("/books/links/"))
        # A view of a new module that uses a model in a way that is new.
        report = edit({"books/authors.py": '''
            from django.http import HttpResponse
            from books.models import Author

            everyone = Author.objects.order_by("name")

            def authors(request):
                return HttpResponse(", ".join(each.name for each in everyone.all()))
            '''})
        report = change("books/urls.py", "urlpatterns = [",
            'from books.authors import authors\\nurlpatterns = [path("authors/", authors),')
        print(report.outcome, get("/books/authors/"))
        change("books/urls.py", '"authors/"', '"people/"')
        print(get("/books/authors/"), "|", get("/books/people/"))
        change("books/urls.py", 'path("links/", views.links),', "")
        print(get("/books/links/"))
        """,
    )
    gone = "404 no such page"
    assert told == [
        f"{gone} | 200 /books/1/",
        "published 200 Austen",
        f"{gone} | 200 Austen",
        gone,
    ]


def test_views_what_they_use_forms_and_middleware_are_live(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        print(get("/books/1/"))
        change("books/prices.py", "return pence", "return pence * 2")
        print(get("/books/1/"))
        change("books/views.py", "{book.title}:", "{book.title} costs")
        print(get("/books/1/"))
        new = {"title": "Persuasion", "author": 1, "pence": 300}
        print(Client(application).post("/books/add/", data=new).text)
        refusing = "def clean_pence(self): raise forms.ValidationError('too much')"
        change("books/forms.py", "    class Meta", f"    {refusing}\\n\\n    class Meta")
        print(Client(application).post("/books/add/", data=new).text)
        print(Client(application).get("/books/1/").headers["X-Stamp"])
        for before, after in [("one", "two"), ("two", "three"), ("three", "four")]:
            change("bookshop/middleware.py", before, after)
            print(Client(application).get("/books/1/").headers["X-Stamp"])
        change("bookshop/errors.py", "no such page", "we have no such page")
        print(get("/nothing"))
        """,
    )
    assert told == [
        "200 Emma: 250",
        "200 Emma: 500",
        "200 Emma costs 500",
        "added Persuasion",
        "refused",
        "one",
        "two",
        # Django finds a middleware that is loaded already in `sys.modules`.
        "three",
        "four",
        "404 we have no such page",
    ]


def test_two_files_together_and_a_broken_edit(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        report = edit({"books/prices.py": "def gross(pence): return pence + 1"})
        print(report.outcome, get("/books/1/"))
        with open("books/views.py") as text:
            source = text.read()
        report = edit({"books/views.py": source.replace("with_tax", "gross")})
        print(report.outcome, get("/books/1/"))
        for name, old, new in [
            ("books/urls.py", "views.price", "views.prise"),
            ("bookshop/urls.py", "books.urls", "books.url"),
            ("books/views.py", "def price(", "def price("[:-1]),
        ]:
            report = change(name, old, new)
            print(report.outcome, type(report.error).__name__, get("/books/1/"))
            assert change(name, new, old).outcome == "unchanged"
        """,
    )
    assert told == [
        "refused 200 Emma: 250",
        "published 200 Emma: 251",
        "refused AttributeError 200 Emma: 251",
        "refused ModuleNotFoundError 200 Emma: 251",
        "refused SyntaxError 200 Emma: 251",
    ]


def test_p2_a_request_on_old_code_finds_the_old_urls(tmp_path: Path) -> None:
    """It finds and reverses them after the update, for the first time, and so does the next one."""
    told = story(
        tmp_path,
        """
        from django.urls import resolve, reverse

        def look():
            book = resolve("/books/1/") if found("/books/1/") else resolve("/volumes/1/")
            return reverse("books:price", args=[7]), " costs " in book.func.__code__.co_consts

        def found(path):
            from django.urls import Resolver404
            try:
                return resolve(path)
            except Resolver404:
                return None

        def update():
            change("bookshop/urls.py", "books/", "volumes/")
            change("books/views.py", "{book.title}:", "{book.title} costs")

        with transfuse.pin("an old request"):
            writer = threading.Thread(target=update)
            writer.start()
            writer.join()
            print(*look())
            print(get("/books/1/"), "|", get("/volumes/1/"))
        print(*look())
        print(get("/books/1/"), "|", get("/volumes/1/"))
        """,
    )
    assert told == [
        "/books/7/ False",
        "200 Emma: 250 | 404 no such page",
        "/volumes/7/ True",
        "404 no such page | 200 Emma costs 250",
    ]


def test_p8_old_urls_are_let_go_of(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        import gc, weakref
        views = []
        for number in range(8):
            change("books/prices.py", "pence", "pence ")
            assert get("/books/links/") == "200 /books/1/"
            views.append(weakref.ref(transfuse.import_module("books.views").price))
        gc.collect()
        print(sum(view() is not None for view in views), transfuse.status().lingering)
        """,
    )
    # The current one, and three that are kept for a rollback.
    assert told == ["4 0"]


def test_a_rollback_brings_back_the_urls(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        change("books/urls.py", "links/", "ways/")
        print(get("/books/links/"), "|", get("/books/ways/"))
        transfuse.rollback()
        print(get("/books/links/"), "|", get("/books/ways/"))
        """,
    )
    gone = "404 no such page"
    assert told == [f"{gone} | 200 /books/1/", f"200 /books/1/ | {gone}"]


def test_a_template_is_live_and_its_tags_wait_for_a_restart(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        print(get("/books/").split())
        name = "books/templates/books/list.html"
        # It was never imported, so there is nothing to update: it is read at the next request.
        print(change(name, "by {{ book.author.name }}", "").outcome, get("/books/").split())
        report = change("books/templatetags/money.py", "/ 100", "/ 10")
        print(report.restart[0].what, get("/books/").split())
        """,
    )
    assert told == [
        "['200', 'Rivers:', 'Emma', 'by', 'Austen', '2.50']",
        "published ['200', 'Rivers:', 'Emma', '2.50']",
        'books.templatetags.money changed and its policy is "never": restart the server'
        " ['200', 'Rivers:', 'Emma', '2.50']",
    ]


ASYNC = """
    import asyncio
    live = transfuse.asgi("bookshop.asgi:application")

    async def ask(path):
        sent = []
        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost")]}
        asked = []

        async def receive():
            if asked:
                await asyncio.Event().wait()
            asked.append(1)
            return {"type": "http.request", "body": b""}

        async def send(message):
            sent.append(message)

        await live(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], body.decode()
    """


def test_the_same_by_asgi(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        ASYNC,
        """
        later = "async def later(request): return HttpResponse('later')\\n\\n"

        async def main():
            print(*await ask("/books/links/"), *await ask("/books/later/"))
            await asyncio.to_thread(change, "books/views.py", "class Books", later + "class Books")
            urls = ['"links/", views.links', '"later/", views.later']
            await asyncio.to_thread(change, "books/urls.py", *urls)
            print(*await ask("/books/links/"), *await ask("/books/later/"))

        asyncio.run(main())
        """,
    )
    assert told == ["200 /books/1/ 404 no such page", "404 no such page 200 later"]


def test_p11_uninstall_gives_django_its_functions_back(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        """
        from django.urls import base, resolvers
        replaced = [base.get_callable, base.get_ns_resolver, resolvers._get_cached_resolver]
        change("books/urls.py", 'path("links/", views.links),', "")
        from bookshop.wsgi import application as plain
        transfuse.uninstall()
        now = [base.get_callable, base.get_ns_resolver, resolvers._get_cached_resolver]
        print(*(one.__wrapped__ is two for one, two in zip(replaced, now)))
        print(*(Client(plain).get(path).text for path in ("/books/1/", "/books/links/")))
        """,
    )
    assert told == ["True True True", "Emma: 250 no such page"]
