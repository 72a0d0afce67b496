"""What is served: ``shop.web:app``, with all its routes."""

from . import basket, checkout
from .app import app
from .views import items, offers, orders, remembered

EDITION = 1
TOOK = {"basket": basket.EDITION, "checkout": checkout.EDITION} | {
    f"views.{view.__name__.rpartition('.')[2]}": view.EDITION for view in (items, offers, orders)
}

__all__ = ["app", "items", "offers", "orders", "remembered"]
