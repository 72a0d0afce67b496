"""The prices of items."""

from . import catalogue, conf

EDITION = 1
TOOK = {"catalogue": catalogue.EDITION, "conf": conf.EDITION}


def price(item: str) -> int:
    """Return the price of an item before tax, in cents."""
    return catalogue.ITEMS[item]
