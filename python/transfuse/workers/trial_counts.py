"""Do the workers' requests fail more often since the trial began? The coordinator's sums.

Each worker sends its counts whenever they change. The counts of a worker that has left are not
summed, because it may have counted them with another generation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfuse.updates import error_rates
from transfuse.updates.error_rates import NO_REQUEST, Counts

if TYPE_CHECKING:
    from transfuse.workers.protocol import Said


class TrialCounts:
    """The counts of all workers."""

    def __init__(self) -> None:
        # The last message of each connection, by its number. Entries leave with the worker.
        self._told: dict[int, Said] = {}
        # The generations that were found to fail, by trial and round; each is reported once.
        self._failing: set[tuple[str, int]] = set()

    def add(self, number: int, said: Said, served: str | None) -> tuple[int, str] | None:
        """Take the counts of a worker.

        Args:
            number: of its connection.
            said: its message.
            served: the view that all have to serve.

        Returns:
            The number of the failing generation on trial, from 1, and the counts in words; or None.
        """
        self._told[number] = said
        key = said["key"]
        told = [each for each in self._told.values() if each["key"] == key]
        old = sum((Counts(*each["old"]) for each in told), NO_REQUEST)
        of_served = [each for each in told if each["view"] == served]
        new = sum((Counts(*each["new"]) for each in of_served), NO_REQUEST)
        generation = max((each["round"] for each in of_served), default=1)
        if (key, generation) in self._failing or not error_rates.fails_more(old, new, generation):
            return None
        self._failing.add((key, generation))
        return generation, error_rates.words(old, new)

    def forget(self, number: int) -> None:
        """Drop the counts of a worker that has left."""
        self._told.pop(number, None)
