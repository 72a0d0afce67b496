"""The application that is served, ``shop.web:app``, with all its routes."""

from typing import Any

from . import basket, checkout, conf, tax
from .app import app
from .views import items, offers, orders, remembered

EDITION = 1
TOOK = {
    "basket": basket.EDITION,
    "checkout": checkout.EDITION,
    "conf": conf.EDITION,
    "tax": tax.EDITION,
} | {f"views.{view.__name__.rpartition('.')[2]}": view.EDITION for view in (items, offers, orders)}


@app.get("/edition")
def edition() -> dict[str, Any]:
    """Show the edition of the leaf, and which one an importer of it was built on."""
    return {
        "editions": {"conf": conf.EDITION},
        "pairs": [("tax of conf", tax.TOOK["conf"], conf.EDITION)],
    }


__all__ = ["app", "items", "offers", "orders", "remembered"]
