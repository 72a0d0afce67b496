"""django-oscar, a shop."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

OSCAR = App(
    name="django-oscar",
    framework="Django",
    release=Release("4.2", "3726cebad8cfc98bab51a00b3c4e9e01ee9fd22e6db7f00ce2ce76bcbf5ec39c"),
    following=Release("4.2.1", "bbe1dfc0b57954a2853d1c5ac35d212425143d92980516aa64e68bedcf3fb923"),
    interface="wsgi",
    root="src",
    needs=("whoosh", "sorl-thumbnail"),
    prepare=True,
    unsteady=(r'name="created" content="[^"]*"',),
    requests=(
        Request("/catalogue/"),
        Request("/catalogue/book-1_2/"),
        Request("/catalogue/category/books/old_2/"),
        Request("/search/?q=book"),
        Request("/basket/"),
        Request("/accounts/login/"),
        Request("/offers/"),
        Request("/bench/"),
    ),
    edits=(
        Edit(
            "leaf",
            "oscar/apps/offer/views.py",
            "",
            "\nOfferListView.edited = True\n",
        ),
        Edit("middle", "oscar/core/utils.py", "", "\nEDITED = True\n"),
        Edit("entry", "entry_django_oscar.py", "", "\nEDITED = True\n"),
        Edit(
            "model",
            "oscar/apps/catalogue/abstract_models.py",
            "",
            "\nAbstractProduct.get_title = lambda self: f'edited: {self.title}'\n",
        ),
        Edit(
            "route",
            "entry_django_oscar_urls.py",
            '    path("admin/", admin.site.urls),\n',
            '    path("admin/", admin.site.urls),\n'
            '    path("bench/", admin.site.urls[0][0].callback),\n',
        ),
    ),
)
