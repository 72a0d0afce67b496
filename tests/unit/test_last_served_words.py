"""P16: a process that starts says what it serves, where disk and what was served last differ."""

from __future__ import annotations

import time
from typing import Any

import pytest

from transfuse.last_served.resumed import IN_PLACE, File, Resumed


def resumed(*files: Any, **more: Any) -> Resumed:
    return Resumed(7, time.mktime((2026, 11, 28, 14, 3, 0, 0, 0, -1)), files, **more)


ROLLED = File("/srv/shop/tax.py", "rolled back", 1.0, True, False)
REFUSED = File("/srv/shop/pay.py", "refused", 1.0, True, False)
CHANGED = File("/srv/shop/web.py", "changed", None, False, False)
LOST = File("/srv/rates.json", "rolled back", 1.0, False, True)


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        (resumed(), []),
        (
            resumed(ROLLED),
            [
                "serving as in generation 7 of 2026-11-28 14:03: shop/tax.py (rolled back at T);"
                " transfuse accept takes what is on disk"
            ],
        ),
        (
            resumed(ROLLED, REFUSED, CHANGED),
            [
                "serving as in generation 7 of 2026-11-28 14:03: shop/tax.py (rolled back at T),"
                " shop/pay.py (refused at T); transfuse update tries what is on disk, and"
                " --from disk takes it",
                "other than in generation 7 of 2026-11-28 14:03, and taken from disk: shop/web.py;"
                " --from last serves what was served",
            ],
        ),
        (
            resumed(CHANGED._replace(is_last=True), take="last"),
            [
                "serving as in generation 7 of 2026-11-28 14:03: shop/web.py; transfuse accept"
                " takes what is on disk"
            ],
        ),
        (
            resumed(CHANGED._replace(is_last=True), take=IN_PLACE),
            [
                "serving as in generation 7 of 2026-11-28 14:03: shop/web.py; what was saved since"
                " follows as an update"
            ],
        ),
        (
            resumed(LOST, has_flag=False),
            [
                "not served as in generation 7 of 2026-11-28 14:03, because that content was not"
                " kept: rates.json (rolled back at T)"
            ],
        ),
    ],
)
def test_what_was_taken_is_told_with_the_other_way(told: Resumed, lines: list[str]) -> None:
    then = time.strftime("%Y-%m-%d %H:%M", time.localtime(1.0))
    assert [line.replace(then, "T") for line in told.lines(["/srv"])] == lines
