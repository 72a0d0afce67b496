"""The stock of items."""

from . import catalogue

EDITION = 1
TOOK = {"catalogue": catalogue.EDITION}


def available(item: str) -> bool:
    """Whether an item is in stock."""
    return item in catalogue.ITEMS
