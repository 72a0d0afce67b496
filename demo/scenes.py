"""Which edits are made, and what must be seen after each?

Each scene is a story of its own and leaves a shop that works. They are played once, in this order.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.client import Answer
    from demo.stage import Stage

LEAF = "one leaf of 20 modules"


def changed_body(stage: Stage) -> None:
    stage.edit(
        "changed body",
        {"prices": [("return catalogue.ITEMS[item]", "return catalogue.ITEMS[item] * 90 // 100")]},
        "/items/lamp",
        lambda answer: answer.content["price"] == 3780,
    )


def changed_constant(stage: Stage) -> None:
    answer = stage.edit(
        "constant in a leaf of three importers",
        {"conf": [("VAT = 20", "VAT = 25")]},
        "/orders/quick",
        lambda answer: answer.content["vat"] == 25,
    )
    stage.expect("tax", 4200 * 90 // 100 * 25 // 100, answer.content["tax"])


def two_files_together(stage: Stage) -> None:
    for old in (1, 2, 3):
        _next_format(stage, old, old + 1)


def _next_format(stage: Stage, old: int, new: int) -> None:
    answer = stage.edit(
        "two files that change together",
        {
            "coupons": [(f"FORMAT = {old}", f"FORMAT = {new}")],
            "checkout": [(f"UNDERSTANDS = {old}", f"UNDERSTANDS = {new}")],
        },
        "/orders/quick",
        lambda answer: answer.content["written"] != old,
    )
    formats = answer.content["written"], answer.content["understood"]
    stage.expect("format written and read", (new, new), formats)


def syntax_error(stage: Stage) -> None:
    good = stage.ask("/orders/quick").content
    broken = stage.source.edited("tax", ("return cents * VAT // 100", "return cents * VAT //"))
    stage.source.save({"tax": broken})
    update = stage.next_update("syntax error", refused=True)
    stage.expect("what the refusal says", True, "SyntaxError" in update.line)
    stage.expect("what is served meanwhile", good, stage.ask("/orders/quick").content)
    stage.edit(
        "its repair",
        {"tax": [("return cents * VAT //", "return cents * VAT // 100 + 0")]},
        "/orders/quick",
        lambda answer: answer.content["editions"]["tax"] == 3,
    )


def deleted_function(stage: Stage) -> None:
    path = "/published/farewell"
    stage.may_be_gone(path)
    farewell = '\n\ndef farewell() -> str:\n    """Say goodbye."""\n    return "come again"\n'
    stage.edit("deleted function", {"published": [(farewell, "")]}, path, is_gone)
    stage.expect("the function beside it", 200, stage.ask("/published/greeting").status)


def views_on_an_app(stage: Stage) -> None:
    path = "/offers/yesterday"
    stage.may_be_gone(path)
    route = '@app.get("/offers/yesterday")\n'
    offer = ('answer(offer="pencil")', 'answer(offer="desk")')
    stage.edit(
        "route deleted, route changed", {"views.offers": [(route, ""), offer]}, path, is_gone
    )
    stage.expect("the changed route", "desk", stage.ask("/offers/today").content["offer"])
    stage.expect("a view of another module", 200, stage.ask("/items/lamp").status)


def preserved_cache_and_lock(stage: Stage) -> None:
    stage.ask("/memory/put/colour/green")
    holding = stage.meanwhile("/memory/hold")
    stage.wait_until("a held lock", "/memory", lambda answer: bool(answer.content["locked"]))
    before = stage.ask("/memory").content
    after = stage.edit(
        "preserved cache and held lock",
        {"memory": []},
        "/memory",
        lambda answer: answer.content["edition"] == 2,
    ).content
    stage.expect("the cache", {"colour": "green"}, after["cache"])
    stage.expect("the lock", (before["lock"], True), (after["lock"], after["locked"]))
    stage.ask("/memory/let-go")
    held = holding().content
    stage.expect("the lock of the request that held it", before["lock"], held["lock"])
    stage.expect("the code of the request that held it", 1, held["edition"])
    stage.expect("that it was told to let go", True, held["told"])
    stage.wait_until("a free lock", "/memory", lambda answer: not answer.content["locked"])


def rolled_back(stage: Stage) -> None:
    """What loads, and is wrong all the same, is taken back; another save does not bring it back."""

    def charges(vat: int) -> Callable[[Answer], bool]:
        return lambda answer: answer.content["vat"] == vat

    stage.edit(
        "wrong constant", {"conf": [("VAT = 25", "VAT = 250")]}, "/orders/quick", charges(250)
    )
    stage.roll_back("the former constant", "/orders/quick", charges(25))
    stage.edit(
        "another file after the rollback",
        {"tax": []},
        "/orders/quick",
        lambda answer: answer.content["editions"]["tax"] == 4,
    )
    stage.expect("what was rolled back", 25, stage.ask("/orders/quick").content["vat"])
    edition = stage.source.edition("conf") + 1
    stage.edit(
        "its repair",
        {"conf": [("VAT = 250", "VAT = 25")]},
        "/orders/quick",
        lambda answer: answer.content["editions"]["conf"] == edition,
    )


def fresh_processes(stage: Stage) -> None:
    """A clean start, from the files as they are now; the memory of the process stays behind."""
    before = stage.ask("/edition").content
    stage.expect("the cache", {"colour": "green"}, stage.ask("/memory").content["cache"])
    stage.hand_over()
    stage.wait_until("a fresh process", "/memory", lambda answer: not answer.content["cache"])
    stage.expect("the code", before, stage.ask("/edition").content)


def one_leaf(stage: Stage) -> None:
    """Save the leaf again, at no particular moment of the load."""
    edition = stage.source.edition("conf") + 1
    stage.edit(
        LEAF,
        {"conf": []},
        "/edition",
        lambda answer: answer.content["editions"]["conf"] == edition,
    )
    # Waits for nothing: edits come at random moments, in any phase of a request.
    time.sleep(random.uniform(0.05, 0.25))


def is_gone(answer: Answer) -> bool:
    return answer.status == 404


SCENES: tuple[Callable[[Stage], None], ...] = (
    changed_body,
    changed_constant,
    two_files_together,
    syntax_error,
    deleted_function,
    views_on_an_app,
    preserved_cache_and_lock,
    rolled_back,
    fresh_processes,
)
