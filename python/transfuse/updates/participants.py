"""Who else has a say in an update, and hears how it ended?

A `Participant` is asked when all modules of the next generation have run and nobody sees it yet, in
the updating thread and pinned to that generation. What it raises refuses the update. An
application's startup is one (`lifespans`), the other workers are another (`crew`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("transfuse")

# In the order in which they are asked. Replaced whole, never changed, so that it can be walked
# without a lock. Entries leave by `unregister`, and all of them with `uninstall`.
_participants: tuple[Participant, ...] = ()
# Those who have to hear how the update under way ends: who was asked, in that order, and then who
# joined midway. The updating thread empties it.
_asked: list[Participant] = []
# The update that has been put to the participants, until they have heard how it ended.
_under_way: UnderWay | None = None
# For the moment in which one joins, or an update begins or ends: who joins is asked, or else is
# told that an update is under way.
_lock = threading.Lock()


# The threads that wait for an update: what it needs of them cannot be had. Entries leave when the
# wait is over; a set of its own operations is enough, each is one step.
_waiting: set[int] = set()


class UnderWay:
    """An update that was put to the participants."""

    def __init__(self) -> None:
        # Set once all have heard how it ended.
        self.over = threading.Event()


class Participant(Protocol):
    """Has a say in updates. All are called in the updating thread."""

    # Who is asked first: the smaller number. What can still be refused by others comes early.
    order: int

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


def register(participant: Participant, *, midway: bool = False) -> UnderWay | None:
    """Ask `participant` in each update from the next one on.

    Args:
        participant: who.
        midway: whether it is also to hear how the update ends that is under way, and of which it
            was not asked.

    Returns:
        The update under way, of which it was not asked; None if there is none.
    """
    global _participants  # noqa: PLW0603 - participants belong to the process, as the core does
    if any(each is participant for each in _participants):
        return None
    with _lock:
        _participants = tuple(sorted([*_participants, participant], key=lambda each: each.order))
        if _under_way is not None and midway:
            _asked.append(participant)
        return _under_way


def unregister(participant: Participant) -> None:
    """Do not ask it any more; without `register`: do nothing."""
    global _participants  # noqa: PLW0603
    with _lock:
        _participants = tuple(each for each in _participants if each is not participant)


def unregister_all() -> None:
    """Forget all participants: Transfuse leaves this process."""
    global _participants  # noqa: PLW0603
    with _lock:
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


def notify(stage: str, generation: int) -> None:
    """Pass on how far an update is; the core calls it.

    Args:
        stage: ``"staged"`` (``"going back"`` for a rollback), ``"published"`` or ``"abandoned"``.
        generation: the number of the generation in question.

    Raises:
        BaseException: whatever a participant raised of a staged generation.
    """
    if stage in ("staged", "going back"):
        for participant in _begun():
            # Also if it raises: then it hears, like all others, that nothing came of it.
            _asked.append(participant)
            participant.staged(generation, on_disk=stage == "staged")
        return
    while participants := _to_be_told():
        for participant in participants:
            try:
                if stage == "published":
                    participant.published(generation)
                else:
                    participant.abandoned(generation)
            except Exception:
                _log.exception("what takes part in updates failed after one; the update stands")


def _begun() -> tuple[Participant, ...]:
    global _under_way  # noqa: PLW0603 - there is one update at a time
    with _lock:
        _asked.clear()
        if _under_way is not None:
            _under_way.over.set()
        _under_way = UnderWay()
        return _participants


def _to_be_told() -> list[Participant]:
    """Those who have not been told yet; the update is over when there are none."""
    global _under_way  # noqa: PLW0603
    with _lock:
        participants = list(_asked)
        _asked.clear()
        if not participants and _under_way is not None:
            _under_way.over.set()
            _under_way = None
        return participants


def _after_fork() -> None:
    """The thread that was updating is not in the child."""
    global _under_way, _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _under_way = None
    _asked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
