"""Orders: the long way through the shop, and a request that takes its time."""

import time
from importlib import import_module
from typing import Any

from .. import basket, checkout
from ..app import app
from ..witness import answer

EDITION = 1
TOOK = {"basket": basket.EDITION, "checkout": checkout.EDITION}


@app.get("/orders/quick")
def quick() -> dict[str, Any]:
    """Show the total of an order."""
    paid = checkout.pay(["lamp", "notebook"], 10)
    return answer(**basket.total(["lamp"]), **paid, vat=import_module("shop.conf").VAT)


@app.get("/orders/slow")
def slow() -> dict[str, Any]:
    """Show the same, with an edit or two on the way."""
    before = answer()
    # Waits for nothing: it stands for a slow query, so that edits come during a request.
    time.sleep(0.3)
    from .. import conf  # noqa: PLC0415 - of the generation that this request began with

    paid = checkout.pay(["lamp", "notebook"], 10)
    return answer(**basket.total(["lamp"]), **paid, vat=conf.VAT, before=before["editions"])
