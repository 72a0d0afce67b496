"""Offers, which come and go."""

from typing import Any

from .. import catalogue
from ..app import app
from ..witness import answer

EDITION = 1
TOOK = {"catalogue": catalogue.EDITION}


@app.get("/offers/today")
def today() -> dict[str, Any]:
    """Show today's offer."""
    return answer(offer="pencil")


@app.get("/offers/yesterday")
def yesterday() -> dict[str, Any]:
    """Show an offer that has ended."""
    return answer(offer="lamp")
