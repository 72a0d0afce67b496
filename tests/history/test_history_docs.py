"""docs/history.md names a test for every numbered fault, and only tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "history.md").read_text()
# `| I1, I2, I3 | what went wrong | which test |`: the first and the last cell.
ROWS = re.findall(r"^\| ([A-Z]\d[^|]*) \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE)


def _numbers(text: str) -> list[str]:
    return [number.lower() for number in re.findall(r"[A-Z]\d+", text)]


def test_every_numbered_fault_of_importing_has_a_row() -> None:
    there = {number for row, _ in ROWS for number in _numbers(row)}
    wanted = {f"i{number}" for number in range(1, 14)} | {f"m{number}" for number in range(1, 9)}
    assert wanted - there == {"m6"}
    assert {"t3", "c1", "c6", "c7", "c8", "c9", "c10"} <= there


def test_the_tests_of_a_row_exist_and_carry_its_number() -> None:
    stories = re.findall(
        r"^def (test_\w+)", (TOP / "tests/history/test_known_faults.py").read_text(), re.M
    )
    named: set[str] = set()
    for row, tests in ROWS:
        names = re.findall(r"`(test_\w+)`", tests)
        carried = {part for name in names for part in name.split("_")}
        assert set(_numbers(row)) <= carried, f"no test carries all numbers of {row}"
        assert set(names) <= set(stories)
        named |= set(names)
    assert named == set(stories)
