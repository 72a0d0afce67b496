"""P16: a rollback of a trial that is refused is tried again after a pause, which doubles."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from transfuse.updates import trial_watch
from transfuse.updates.reports import Trial
from transfuse.updates.trial_state import HERE, Running

if TYPE_CHECKING:
    import pytest


class News(threading.Event):
    """Notes each wait, and whether it would have ended at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[tuple[float | None, bool]] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append((timeout, self.is_set()))
        return True


def test_there_is_a_pause_also_after_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([False, False, True])

    def go_back(now: Running, why: str) -> bool:
        assert (now.key, why) == ("9f3c0a1b", "enough")
        if done := next(outcomes):
            HERE.running = None
        return done

    monkeypatch.setattr(trial_watch, "_go_back", go_back)
    shown = Trial(2, 1, until=0.0, seconds=600.0)
    monkeypatch.setattr(HERE, "running", Running("9f3c0a1b", shown, float("inf"), 1, 2))
    news = News()
    monkeypatch.setattr(HERE, "news", news)
    HERE.alarm("9f3c0a1b", "enough")
    trial_watch._watch("9f3c0a1b", news)
    assert news.waits == [(1.0, False), (2.0, False)]
