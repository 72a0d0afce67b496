"""P9 on every server: twenty updates under load, and no request is lost or mixed."""

from __future__ import annotations

import pytest

from servers.kinds import KINDS, Kind
from servers.trial import attempt

UPDATES = 20


@pytest.mark.servers
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_p9_no_request_is_lost_or_mixed_by_twenty_updates(kind: Kind) -> None:
    outcome = attempt(kind, updates=UPDATES)

    assert outcome.faults == [], outcome.log
    tally = outcome.tally
    assert (tally.failed, tally.mixed) == (0, 0), (tally.faults, outcome.log)
    assert (outcome.missed, len(outcome.seconds)) == (0, UPDATES), outcome.log
    # Assert that the load saw the code change.
    assert tally.versions > UPDATES // 2
    assert tally.requests > 10 * UPDATES
    # Several workers switched together, and said so.
    if kind.workers > 1:
        assert len(outcome.apart) > UPDATES // 2, outcome.log


@pytest.mark.servers
def test_what_a_servers_own_reloader_loses_is_noticed() -> None:
    """The load notices: by uvicorn's own reloader the same edits cost requests."""
    (kind,) = [kind for kind in KINDS if kind.name == "uvicorn"]
    outcome = attempt(kind, updates=3, own=True)

    assert outcome.faults == [], outcome.log
    assert outcome.tally.failed > 0
    assert outcome.tally.versions > 1
