"""The basket of a customer."""

from . import prices, shipping, stock, tax

EDITION = 1
TOOK = {module.__name__.rpartition(".")[2]: module.EDITION for module in (prices, shipping, tax)}


def total(items: list[str]) -> dict[str, int]:
    """Return the sums of a basket, in cents."""
    goods = sum(prices.price(item) for item in items if stock.available(item))
    return {"goods": goods, "tax": tax.tax(goods), "shipping": shipping.shipping(goods)}
