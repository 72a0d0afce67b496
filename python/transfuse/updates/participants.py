"""Participants of an update: Python code that can refuse it, and learns how it ended.

The updating thread calls each `Participant`, pinned to the staged generation, when all its modules
have run and before any request sees it. An exception refuses the update. The startup of an
application is a participant (`servers`), and so are the other workers (`workers`).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Protocol

from transfuse.config.logs import get_logger
from transfuse.config.native import threading

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = get_logger("transfuse")

# In the order in which they are called. The tuple is replaced, never changed, so that it can be
# iterated without a lock. Entries leave by `unregister`, and all of them with `uninstall`.
_participants: tuple[Participant, ...] = ()
# The participants to notify when the update under way ends: those that were called, in that order,
# then those that registered midway. The updating thread empties it.
_asked: list[Participant] = []
# Of the update under way: set once all participants were notified of its end, and None after that.
_under_way: Any = None
# Guards registration against the start and the end of an update: a participant that registers is
# either called in it, or learns that an update is under way.
_lock = threading.Lock()


# The threads that wait for an update, which can therefore run nothing for it. Entries leave when
# the wait is over. Needs no lock: each operation on a set is atomic.
_waiting: set[int] = set()


class Participant(Protocol):
    """Can refuse updates. The updating thread calls all methods, which do nothing by default."""

    # Smaller numbers are called first; the agreement of other workers comes late.
    order: int

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002 - the default
        """Agree by returning. An exception refuses the update.

        Args:
            generation: the number of the staged generation.
            on_disk: whether it serves the files on disk, and not the content of a rollback.
        """
        return

    def published(self, generation: int) -> None:  # noqa: ARG002 - the default
        """The generation that was agreed to is current."""
        return

    def abandoned(self, generation: int) -> None:  # noqa: ARG002 - the default
        """The generation that was agreed to will never be current."""
        return


class Holder:
    """A participant that holds objects of the generation that it has agreed to."""

    def references(self) -> list[Any]:
        """Return objects that lead to these."""
        raise NotImplementedError


def register(participant: Participant, *, midway: bool = False) -> Any:
    """Call `participant` in each update from the next one on.

    Args:
        participant: a participant; registered again, it stays where it is.
        midway: whether to notify it of the end of the update under way too, in which it was not
            called.

    Returns:
        None, or the end of the update under way, in which it is not called.
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
    """Call it no more; without `register`: do nothing."""
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
    """Mark this thread as waiting for an update."""
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
    """Pass on the progress of an update; the core calls it.

    Args:
        stage: ``"staged"`` (``"going back"`` for a rollback), ``"published"`` or ``"abandoned"``.
        generation: the number of the generation in question.

    Raises:
        BaseException: the exception with which a participant refuses the staged generation.
    """
    if stage in ("staged", "going back"):
        for participant in _begun():
            # Also if it raises: then all are notified that the update was abandoned.
            _asked.append(participant)
            participant.staged(generation, on_disk=stage == "staged")
        return
    while participants := _to_be_notified():
        for participant in participants:
            try:
                if stage == "published":
                    participant.published(generation)
                else:
                    participant.abandoned(generation)
            except Exception:
                _log.exception("%r failed when the update was %s", participant, stage)


def references() -> list[Any]:
    """Return what leads to the objects that participants of the update under way hold for it."""
    holders = [each for each in list(_asked) if isinstance(each, Holder)]
    return [reference for holder in holders for reference in holder.references()]


def _begun() -> tuple[Participant, ...]:
    global _under_way  # noqa: PLW0603 - there is one update at a time
    with _lock:
        _asked.clear()
        if _under_way is not None:
            _under_way.set()
        _under_way = threading.Event()
        return _participants


def _to_be_notified() -> list[Participant]:
    """Return the participants not yet notified; the update is over when there are none."""
    global _under_way  # noqa: PLW0603
    with _lock:
        participants = list(_asked)
        _asked.clear()
        if not participants and _under_way is not None:
            _under_way.set()
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
