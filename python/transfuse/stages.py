"""Who else has a say in an update, and hears how it ended?

A `Participant` is asked when all modules of the next generation have run and nobody sees it yet, in
the updating thread and pinned to that generation. What it raises refuses the update. An
application's startup is one (`lifespans`), the other workers are another (`crew`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("transfuse")

# In the order in which they are asked. Replaced whole, never changed, so that it can be walked
# without a lock. Entries leave by `leave`, and all of them with `uninstall`.
_participants: tuple[Participant, ...] = ()
# Those who said yes to the update under way, and have to hear how it ends. The updating thread's.
_asked: list[Participant] = []


# The threads that wait for an update: what it needs of them cannot be had. Entries leave when the
# wait is over; a set of its own operations is enough, each is one step.
_waiting: set[int] = set()


class Participant(Protocol):
    """Has a say in updates. All are called in the updating thread."""

    # Who is asked first: the smaller number. What can still be refused by others comes early.
    rank: int

    def staged(self, generation: int, *, on_disk: bool) -> None:
        """Agree by returning. What is raised refuses the update.

        Args:
            generation: the number of the staged generation.
            on_disk: whether it serves what the files say, and not what a rollback does.
        """

    def published(self, generation: int) -> None:
        """The generation that was agreed to is current."""

    def abandoned(self, generation: int) -> None:
        """The generation that was agreed to will never be current."""


def join(participant: Participant) -> None:
    """Ask `participant` in each update from the next one on."""
    global _participants  # noqa: PLW0603 - participants belong to the process, as the core does
    others = [each for each in _participants if each is not participant]
    _participants = tuple(sorted([*others, participant], key=lambda each: each.rank))


def leave(participant: Participant) -> None:
    """Do not ask it any more; without `join`: do nothing."""
    global _participants  # noqa: PLW0603
    _participants = tuple(each for each in _participants if each is not participant)


def leave_all() -> None:
    """Forget all participants: Transfuse leaves this process."""
    global _participants  # noqa: PLW0603
    _participants = ()


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """This thread waits for an update."""
    ident = threading.get_ident()
    outermost = ident not in _waiting
    _waiting.add(ident)
    try:
        yield
    finally:
        if outermost:
            _waiting.discard(ident)


def waits_for_update(thread: int) -> bool:
    """Whether that thread, by its `threading.get_ident`, waits for an update."""
    return thread in _waiting


def reached(stage: str, generation: int) -> None:
    """Pass on how far an update is; the core calls it.

    Args:
        stage: ``"staged"`` (``"going back"`` for a rollback), ``"published"`` or ``"abandoned"``.
        generation: the number of the generation in question.

    Raises:
        BaseException: whatever a participant raised of a staged generation.
    """
    if stage in ("staged", "going back"):
        _asked.clear()
        for participant in _participants:
            # Also if it raises: then it hears, like all others, that nothing came of it.
            _asked.append(participant)
            participant.staged(generation, on_disk=stage == "staged")
        return
    asked = list(_asked)
    _asked.clear()
    for participant in asked:
        try:
            if stage == "published":
                participant.published(generation)
            else:
                participant.abandoned(generation)
        except Exception:
            _log.exception("what takes part in updates failed after one; the update stands")
