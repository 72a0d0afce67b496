"""Goods and functions by name."""

from typing import Any

from flask import abort

from .. import catalogue, prices, published, stock
from ..app import app
from ..witness import answer

EDITION = 1
TOOK = {
    "catalogue": catalogue.EDITION,
    "prices": prices.EDITION,
    "published": published.EDITION,
    "stock": stock.EDITION,
}


@app.get("/items/<name>")
def item(name: str) -> dict[str, Any]:
    """Show one item."""
    return answer(item=name, price=prices.price(name))


@app.get("/published/<name>")
def call(name: str) -> dict[str, Any]:
    """Show what a function of `published` says."""
    function = getattr(published, name, None)
    if not callable(function):
        abort(404)
    return answer(said=function())
