"""P9 under load: a Flask application on Granian takes edits, and no request is lost or mixed."""

from __future__ import annotations

from typing import Any

import pytest

from demo.client import Answer
from demo.show import CLIENTS, perform

SECONDS = 10.0
UPDATES = 20


@pytest.mark.parametrize("rate", [400.0, 4000.0], ids=["steady", "as fast as it can"])
def test_point_8_p9_no_request_is_lost_or_mixed_by_twenty_updates(rate: float) -> None:
    # The clients' first and last answers lie a little inside the time they are given.
    # It may miss an edit that another follows at once.
    outcome = perform(seconds=SECONDS + 1, rate=rate, updates=UPDATES + 2)

    assert outcome.faults == [], "".join(outcome.log)
    tally = outcome.tally
    assert (tally.failed, tally.mixed) == (0, 0)
    assert CLIENTS == 16
    assert tally.seconds >= SECONDS
    assert tally.requests > 1000
    # Assert that the load saw the code change, and a deleted route go.
    assert tally.versions > UPDATES
    assert tally.gone > 0
    # Once, fresh processes took over.
    assert outcome.handovers == 1
    assert outcome.rollbacks == 1
    # Every edit was one update, and the syntax error none.
    assert len(outcome.saved) == len(outcome.published) >= UPDATES
    assert len(outcome.updates) - len(outcome.published) == 1


WHOLE: dict[str, Any] = {
    "pairs": [["tax of conf", 2, 2]],
    "editions": {"conf": 2, "tax": 1},
    "before": {"conf": 2, "tax": 1},
    "written": 1,
    "understood": 1,
    "goods": 100,
    "tax": 20,
    "vat": 20,
}
MIXES: dict[str, Any] = {
    "pairs": [["tax of conf", 1, 2]],
    "before": {"conf": 1, "tax": 1},
    "written": 2,
    "vat": 25,
}


def test_point_8_p9_a_whole_answer_is_not_called_mixed() -> None:
    assert Answer(200, WHOLE, 0.0).mixed() == []


@pytest.mark.parametrize("key", MIXES)
def test_point_8_p9_a_mixed_answer_is_noticed(key: str) -> None:
    mixed = WHOLE | {key: MIXES[key]}

    assert len(Answer(200, mixed, 0.0).mixed()) == 1
