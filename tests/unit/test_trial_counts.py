"""The coordinator sums the requests of all workers, and says once that they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse.workers.trial_counts import TrialCounts

if TYPE_CHECKING:
    from transfuse.workers.protocol import Said

OLD = [2000, 2000, 1]


def said(failed: int, *, key: str = "k", generation: int = 1, view: str = "new") -> Said:
    more: dict[str, Any] = {"old": OLD, "new": [20, 20, failed]}
    return {"say": "counts", "key": key, "round": generation, "view": view, **more}


def test_it_takes_all_workers_to_tell() -> None:
    counts = TrialCounts()
    assert counts.add(1, said(2), "new") is None
    assert counts.add(2, said(12), "new") == (1, "14 of 40 requests failed, before 2 of 4,000")
    # Told once; the next generation on trial, and another trial, are compared anew.
    assert counts.add(2, said(13), "new") is None
    counts.add(1, said(0, generation=2, view="newer"), "newer")
    found = counts.add(2, said(14, generation=2, view="newer"), "newer")
    assert found == (2, "14 of 40 requests failed, before 2 of 4,000")
    counts.forget(1)
    assert counts.add(2, said(15, key="other"), "new") == (
        1,
        "15 of 20 requests failed, before 1 of 2,000",
    )


def test_only_what_is_served_counts_and_only_of_workers_that_are_there() -> None:
    counts = TrialCounts()
    assert counts.add(1, said(15, view="half"), "new") is None
    counts.add(1, said(0), "new")
    counts.forget(1)
    assert counts.add(2, said(15), "new") == (1, "15 of 20 requests failed, before 1 of 2,000")
