"""When does a process become a worker among others, and when does it stop being one?

With `install` and `uninstall`; and a forked child is another worker than its parent.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.config.logs import get_logger
from transfuse.config.native import time
from transfuse.updates import participants
from transfuse.workers import rendezvous
from transfuse.workers.protocol import BEAT, SILENCE, MessageStream, unpacked
from transfuse.workers.worker import Worker

if TYPE_CHECKING:
    from transfuse.config.settings import Settings

_log = get_logger("transfuse.workers")

# How long a starting worker waits for another to replace a dead coordinator, in seconds.
_TAKING_OVER = 0.5

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
        place = rendezvous.ours(settings)
    except (OSError, AttributeError) as error:
        _log.warning(
            "the other workers of this server cannot be met, each switches alone: %s", error
        )
        return
    if place is not None:
        _worker = Worker(place, settings)


def group() -> str | None:
    """Return a name that the workers of one server have in common; None without others."""
    worker = _worker
    return None if worker is None else worker.place


def server(settings: Settings) -> str | None:
    """Return a name that the processes of one server have in common, together or not."""
    with contextlib.suppress(OSError, AttributeError):
        return rendezvous.name_of_server(settings)
    return None


def leave() -> None:
    """Switch alone again."""
    global _worker, _settings
    worker, _worker, _settings = _worker, None, None
    if worker is not None:
        worker.end()


def contents_of_others(settings: Settings) -> tuple[dict[str, bytes | None], list[str], int]:
    """Return the contents that the other workers serve of files that differ on disk.

    They may have refused the files on disk; a worker that starts now must serve the same as they.

    Returns:
        File to content (None: it is not there), the files of which the content on disk is set
        aside, and the number of their generation; nothing and 1 if there are no others.
    """
    place = end = None
    # An error is logged when this worker joins the others.
    with contextlib.suppress(OSError, AttributeError):
        place = rendezvous.ours(settings) if settings.together else None
        end = place.find(_TAKING_OVER) if place else None
    if place is not None:
        place.close()
    if end is None:
        return {}, [], 1
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
                    return unpacked(said["contents"]), said["aside"], said["generation"]
    except (OSError, ValueError):
        _log.debug("the other workers could not be asked", exc_info=True)
    finally:
        stream.close()
    return {}, [], 1


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
