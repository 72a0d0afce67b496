"""When does a process become a worker among others, and when does it cease to be one?

With `install` and `uninstall`; and a forked child is another worker than its parent.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from typing import TYPE_CHECKING

from transfuse import _core, stages
from transfuse.workers import meeting as meetings
from transfuse.workers.member import Member
from transfuse.workers.wire import BEAT, SILENCE, Wire, unpacked

if TYPE_CHECKING:
    from transfuse.settings import Settings

_log = logging.getLogger("transfuse.workers")

# How long a worker that starts waits for another to take the chair of one that is dead, in seconds.
_TAKING_OVER = 0.5

# The member of this process, or None. Written by whoever installs, uninstalls or forks.
_member: Member | None = None
# With which settings, so that a forked child joins as well; None if workers do not switch together.
_settings: Settings | None = None


def begin(settings: Settings) -> None:
    """Switch together with the other workers of this process's server from now on, if it has any.

    Args:
        settings: what was installed just now.
    """
    global _member, _settings  # noqa: PLW0603 - there is one import system in a process
    if not settings.together:
        return
    _register_once()
    _settings = settings
    try:
        place = meetings.ours(settings)
    except (OSError, AttributeError) as error:
        _log.warning(
            "the other workers of this server cannot be met, each switches alone: %s", error
        )
        return
    if place is not None:
        _member = Member(place, settings)


def group() -> str | None:
    """Return a name that the workers of one server have in common, or None for who is alone."""
    member = _member
    return None if member is None else member.place


def leave() -> None:
    """Switch alone again."""
    global _member, _settings
    member, _member, _settings = _member, None, None
    if member is not None:
        member.end()


def contents_of_others(settings: Settings) -> tuple[dict[str, bytes | None], int]:
    """Return what the other workers serve of files that say something else on disk.

    They may have refused what is on disk; a worker that starts now must serve what they serve.

    Returns:
        File to content (None: it is not there), and the number of their generation; nothing and 1
        if there are no others.
    """
    end = None
    # What is wrong is told when this worker joins the others.
    with contextlib.suppress(OSError, AttributeError):
        place = meetings.ours(settings) if settings.together else None
        end = place.find(_TAKING_OVER) if place else None
    if end is None:
        return {}, 1
    wire = Wire(end)
    try:
        wire.say(say="contents?")
        until = time.monotonic() + SILENCE
        while time.monotonic() < until:
            messages = wire.hear(BEAT)
            if messages is None:
                break
            for said in messages:
                if said["do"] == "take":
                    return unpacked(said["contents"]), said["generation"]
    except (OSError, ValueError):
        _log.debug("the other workers could not be asked", exc_info=True)
    finally:
        wire.close()
    return {}, 1


@functools.cache
def _register_once() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """A child is another worker: of its parent's server, or of its parent."""
    global _member  # noqa: PLW0603
    if _member is not None:
        _member.drop()
        stages.leave(_member)
        _member = None
    if _settings is not None and _core.installed():
        begin(_settings)
