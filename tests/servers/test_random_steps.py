"""P9, P15, P16 by storm: random steps under load, and never other than the model says.

The same with more steps: `python -m servers.storm --steps 1000 --seed 7`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from servers.storm.storm import Storm

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 30


@pytest.mark.servers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2], ids=["asgi", "wsgi"])
def test_p16_nothing_is_served_but_what_the_model_says(
    tmp_path: Path, runtime: Path, seed: int
) -> None:
    storm = Storm(tmp_path, runtime, seed)
    storm.run(STEPS)
    assert len(storm.steps) == STEPS
    assert storm.watch.tally.answered.keys() == {"new", "idle", "slow"}
