"""The number of trials: few in `make test`, a thousand times as many in `make test-slow`."""

from __future__ import annotations

import os

SLOW = os.environ.get("HYPOTHESIS_PROFILE") == "slow"


def times(fast: int, slow: int) -> int:
    """Return how often something is done in this run."""
    return slow if SLOW else fast
