"""When does a process become a worker among others, and when does it stop being one?

With `install` and `uninstall`; and a forked child is another worker than its parent.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, NamedTuple

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.config.native import time
from transfuse.runtime.parent import name_of_parent
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transfuse.config.settings import Settings
    from transfuse.workers.protocol import Said
    from transfuse.workers.rendezvous import Rendezvous
    from transfuse.workers.worker import Worker

_log = get_logger("transfuse.workers")

# How long a starting worker waits for another to replace a dead coordinator, in seconds.
_TAKING_OVER = 0.5


class Served(NamedTuple):
    """The content that a process serves when it starts.

    Attributes:
        contents: file to the content that is served in place of that on disk; None: it is not
            there.
        aside: those of them of which the content on disk is set aside.
        generation: the number of its first generation.
        back_to: the former generation that it serves again, if it is started for that.
        waiting: the changes that wait in the others for a restart: name, code, reason and file.
    """

    contents: dict[str, bytes | None]
    aside: list[str]
    generation: int
    back_to: int | None = None
    waiting: Sequence[tuple[str, str, str, str | None]] = ()


# No other content than that on disk.
NOTHING = Served({}, [], 1)

# The worker of this process, or None. Written on install, uninstall and fork.
_worker: Worker | None = None
# Its settings, so that a forked child joins as well; None if workers do not switch together.
_settings: Settings | None = None


def begin(settings: Settings) -> None:
    """Switch together with the other workers of this process's server from now on, if it has any.

    Args:
        settings: the installed ones.
    """
    global _worker, _settings  # noqa: PLW0603 - there is one import system in a process
    if not settings.together:
        return
    _register_once()
    _settings = settings
    try:
        place = _ours(settings)
    except (OSError, AttributeError) as error:
        _log.warning(
            "the other workers of this server cannot be met, each switches alone: %s", error
        )
        return
    if place is not None:
        from transfuse.workers.worker import Worker  # noqa: PLC0415 - as in `_ours`

        _worker = Worker(place, settings)


def _ours(settings: Settings) -> Rendezvous | None:
    """Return where the workers of this process's server meet; None if it is no worker."""
    if name_of_parent() is None:
        return None
    # Here and not above: many processes are alone.
    from transfuse.workers import rendezvous  # noqa: PLC0415

    return rendezvous.ours(settings)


def join_team(team: int) -> None:
    """Meet only workers of the same team from now on."""
    from transfuse.workers import rendezvous  # noqa: PLC0415 - as in `_ours`

    rendezvous.join_team(team)


def group() -> str | None:
    """Return a name that the workers of one server have in common; None without others."""
    worker = _worker
    return None if worker is None else worker.place


def server(settings: Settings) -> str | None:
    """Return a name that the processes of one server have in common, together or not."""
    from transfuse.workers import rendezvous  # noqa: PLC0415 - as in `_ours`

    with contextlib.suppress(OSError, AttributeError):
        return rendezvous.name_of_server(settings)
    return None


def leave() -> None:
    """Switch alone again."""
    global _worker, _settings
    worker, _worker, _settings = _worker, None, None
    if worker is not None:
        worker.end()


def to_serve(settings: Settings, taken_along: Served | None) -> Served | None:
    """Return what a process that starts is to serve: what the others do, if there are any.

    Args:
        settings: to be installed.
        taken_along: what is served by the processes that it takes over from; None: from none.
    """
    served = contents_of_others(settings)
    if served is None or taken_along is None:
        return served or taken_along
    # Others that take over, too, do not tell to what they go back.
    return served._replace(back_to=taken_along.back_to)


def contents_of_others(settings: Settings) -> Served | None:
    """Return the contents that the other workers serve of files that differ on disk.

    They may have refused the files on disk; a worker that starts now must serve the same as they.

    Returns:
        Their content; None if there are no others. Changes that wait in them for a restart are not
        among it if this start is one. In a team, only a handover is.
    """
    place = None
    # An error is logged when this worker joins the others.
    with contextlib.suppress(OSError, AttributeError):
        place = _ours(settings) if settings.together else None
    try:
        return _taken_from_others(place)
    finally:
        if place is not None:
            place.close()


def _taken_from_others(place: Rendezvous | None) -> Served | None:
    told = None if place is None else _told_by_others(place)
    if place is None or told is None:
        return None
    from transfuse.workers import rendezvous  # noqa: PLC0415 - as in `_ours`
    from transfuse.workers.protocol import unpacked  # noqa: PLC0415

    contents, aside = unpacked(told["contents"]), told.get("aside", [])
    waiting, generation = told.get("waiting", []), told["generation"]
    if waiting and not rendezvous.is_in_team():
        # The server starts its workers anew, one beside the other. The old ones must not keep back
        # a change that waits for that, so old and new ones do not switch together.
        place.part()
        contents = {path: text for path, text in contents.items() if path not in waiting}
        aside = [path for path in aside if path not in waiting]
        _log.info("this worker starts with what waits in others for a restart: %s", waiting)
        generation += 1
        return Served(contents, aside, generation)
    restart = [(name, code, what, file) for name, code, what, file in told.get("restart", ())]
    return Served(contents, aside, generation, waiting=restart)


def _told_by_others(place: Rendezvous) -> Said | None:
    """Return what the coordinator tells a worker that starts; None if there is none."""
    end = None
    with contextlib.suppress(OSError, AttributeError):
        end = place.find(_TAKING_OVER)
    if end is None:
        return None
    from transfuse.workers.protocol import BEAT, SILENCE, MessageStream  # noqa: PLC0415

    stream = MessageStream(end)
    try:
        stream.send(say="contents?")
        until = time.monotonic() + SILENCE
        while time.monotonic() < until:
            messages = stream.receive(BEAT)
            if messages is None:
                break
            for said in messages:
                if said.get("do") == "take":
                    return said
    except (OSError, ValueError):
        _log.debug("the other workers could not be asked", exc_info=True)
    finally:
        stream.close()
    return None


@functools.cache
def _register_once() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """A child is another worker: of its parent's server, or of its parent."""
    global _worker  # noqa: PLW0603
    if _worker is not None:
        _worker.drop()
        participants.unregister(_worker)
        _worker = None
    if _settings is not None and _core.installed():
        begin(_settings)
