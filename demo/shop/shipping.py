"""The cost of shipping."""

from . import conf
from .conf import VAT

EDITION = 1
TOOK = {"conf": conf.EDITION}
FLAT = 500 + 500 * VAT // 100


def shipping(cents: int) -> int:
    """Return what it costs to send goods of this value, in cents."""
    return 0 if cents > 10_000 else FLAT
