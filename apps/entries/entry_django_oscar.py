"""A shop as in django-oscar's sandbox, which is not part of its source distribution."""

import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "entry_django_oscar_settings")


def prepare():
    django.setup()
    from django.core.management import call_command
    from oscar.core.loading import get_class, get_model

    call_command("migrate", verbosity=0)
    create_from_breadcrumbs = get_class("catalogue.categories", "create_from_breadcrumbs")
    create_from_breadcrumbs("Books > Old")
    kind = get_model("catalogue", "ProductClass").objects.create(name="Book")
    partner = get_model("partner", "Partner").objects.create(name="Shelf")
    for number in range(5):
        product = get_model("catalogue", "Product").objects.create(
            title=f"Book {number}", upc=str(number), product_class=kind
        )
        get_model("partner", "StockRecord").objects.create(
            product=product, partner=partner, partner_sku=str(number), price=10, num_in_stock=5
        )


if __name__ == "__main__":
    prepare()
else:
    application = get_wsgi_application()
