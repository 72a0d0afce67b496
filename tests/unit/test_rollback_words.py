"""What is typed to say where to go back to, and the lines of `transfuse history`."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

pytest.importorskip("click")

from transfuse.cli.history import history_line
from transfuse.cli.rollback import parse_moment

NOW = datetime(2026, 11, 29, 15, 0, 0)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", datetime(2026, 11, 29, 14, 0)),
        ("14:00:30", datetime(2026, 11, 29, 14, 0, 30)),
        # Not yet today: it is yesterday's.
        ("15:30", datetime(2026, 11, 28, 15, 30)),
        ("2026-11-27T09:15", datetime(2026, 11, 27, 9, 15)),
        ("2026-11-27 09:15:00", datetime(2026, 11, 27, 9, 15)),
    ],
)
def test_a_moment(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "noon", "25:00", "14:60", "-1"])
def test_no_moment(text: str) -> None:
    assert parse_moment(text, NOW) is None


def entry(**more: Any) -> dict[str, Any]:
    return {
        "generation": 4,
        "time": time.mktime((2020, 2, 3, 14, 3, 0, 0, 0, -1)),
        "by": "saved",
        "outcome": "published",
        "changed": [["/srv/shop/val.py", "changed"]],
        "ran": [["shop.val", "changed"]],
        "error": None,
        "back_to": None,
        "is_served": False,
        "can_go_back": False,
        **more,
    }


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            {"can_go_back": True},
            "back    4  2020-02-03 14:03  published (saved): shop/val.py changed; ran shop.val",
        ),
        ({"outcome": "started"}, "        4  2020-02-03 14:03  started"),
        (
            {"outcome": "refused", "error": "SyntaxError: bad"},
            "        4  2020-02-03 14:03  refused (saved): shop/val.py changed; ran shop.val;"
            " SyntaxError: bad",
        ),
        (
            {"outcome": "rolled back", "by": "rollback", "back_to": 2, "is_served": True},
            "*       4  2020-02-03 14:03  rolled back to generation 2: shop/val.py changed",
        ),
    ],
)
def test_a_line_of_history(more: dict[str, Any], line: str) -> None:
    assert history_line(entry(**more), ["/srv"]) == line
