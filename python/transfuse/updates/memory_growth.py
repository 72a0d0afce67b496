"""Warns when former modules pile up in memory over several updates."""

from __future__ import annotations

from transfuse.config.logs import get_logger

_log = get_logger("transfuse")

# After how many updates in a row, each with more former modules than before, a cause is looked for.
_UPDATES = 4
# How long is searched for it, in seconds.
_SEARCH = 1.0


class MemoryGrowth:
    """Counts the former modules after each update, in the updating thread."""

    def __init__(self) -> None:
        self._before = 0
        # Updates in a row that left more former modules than there were.
        self._growing = 0
        # How many of these lead to a search. Doubles when no cause was found.
        self._patience = _UPDATES
        self._has_warned = False

    def check(self, former: int) -> None:
        """Warn, once, if the number of former modules grows and something keeps them."""
        self._growing = self._growing + 1 if former > self._before else 0
        self._before = former
        if self._has_warned or self._growing < self._patience:
            return
        updates, self._growing = self._growing, 0
        # Here and not above: in most processes nothing grows.
        from transfuse.memory.leaks import try_to_find_leaks  # noqa: PLC0415

        found = try_to_find_leaks(_SEARCH)
        if found is None:
            return
        causes = [cause for cause in found.causes if cause.is_named]
        if not causes:
            # Garbage that is not collected yet, or a cause that takes longer to find.
            self._patience *= 2
            return
        self._has_warned = True
        _log.warning(
            "%d modules of former generations are in memory, more after each of the last %d"
            " updates; %s; 'transfuse leaks' tells more",
            former,
            updates,
            causes[0],
        )
