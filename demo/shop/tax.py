"""The tax on a sale."""

from . import conf
from .conf import VAT

EDITION = 1
TOOK = {"conf": conf.EDITION}


def tax(cents: int) -> int:
    """Return the tax on an amount, in cents."""
    return cents * VAT // 100
