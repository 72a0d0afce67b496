"""Which code made this answer? A client can tell from it whether all of it is of one version."""

from importlib import import_module
from typing import Any

EDITION = 1
MODULES = (
    "basket",
    "catalogue",
    "checkout",
    "conf",
    "coupons",
    "memory",
    "prices",
    "published",
    "shipping",
    "stock",
    "tax",
    "views.items",
    "views.offers",
    "views.orders",
    "web",
)


def answer(**content: Any) -> dict[str, Any]:
    """Return an answer: its content, and what it was made by.

    `editions` has the edition of each module, `pairs` for each import which edition the importer
    was built on, and which there is now. In an answer of one time these two are the same.
    """
    modules = {name: import_module(f".{name}", __package__) for name in MODULES}
    pairs = [
        (f"{name} of {other}", took, modules[other].EDITION)
        for name, module in modules.items()
        for other, took in getattr(module, "TOOK", {}).items()
    ]
    return {
        **content,
        "editions": {name: module.EDITION for name, module in modules.items()},
        "pairs": pairs,
    }
