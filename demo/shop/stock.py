"""What is left."""

from . import catalogue

EDITION = 1
TOOK = {"catalogue": catalogue.EDITION}


def available(item: str) -> bool:
    """Whether an item can be had."""
    return item in catalogue.ITEMS
