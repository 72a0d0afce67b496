"""What processes note that others have taken over from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from transfuse.cli import status
from transfuse.handover.finishing import Notes, noted

if TYPE_CHECKING:
    from pathlib import Path

IDLE = 35.0


@pytest.mark.parametrize(
    ("requests", "drain", "lasts"),
    [(0, None, IDLE), (2, None, None), (2, 120.0, 120.0), (2, 1.0, IDLE)],
    ids=["idle connections", "as long as they take", "drained", "drained, and idle connections"],
)
def test_it_is_noted_until_when_it_lasts(
    tmp_path: Path, requests: int, drain: float | None, lasts: float | None
) -> None:
    notes = Notes(str(tmp_path), IDLE, drain)
    notes.note(requests)
    (found,) = noted(str(tmp_path))
    assert (found["pid"], found["requests"]) == (os.getpid(), requests)
    assert found["ends_by"] == (None if lasts is None else found["since"] + lasts)
    notes.end()
    assert noted(str(tmp_path)) == []


def test_one_that_was_killed_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "finishing-1").write_text('{"pid": 999999999, "requests": 1}')
    (tmp_path / "finishing-2").write_text("{")
    assert noted(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("requests", "ends_by", "words"),
    [
        (2, 100.0, "process 7: 2 requests, since 00:00:40, ends by 00:01:40"),
        (1, None, "process 7: 1 request, since 00:00:40, ends with it"),
        (3, None, "process 7: 3 requests, since 00:00:40, ends with them"),
    ],
)
def test_it_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, requests: int, ends_by: float | None, words: str
) -> None:
    monkeypatch.setattr(status, "_clock", lambda at: f"00:{int(at) // 60:02}:{int(at) % 60:02}")
    told = {"pid": 7, "requests": requests, "since": 40.0, "ends_by": ends_by}
    assert status._finishing(told) == words
