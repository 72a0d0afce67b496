"""Does the next generation still have the target that is served?

Without it every request would fail, so an update that loses the target is refused. A process that
serves a target also answers `transfuse status` and the like.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from transfuse import frameworks
from transfuse._core import Pin
from transfuse.config.logs import get_logger
from transfuse.errors import TargetError
from transfuse.process.install import ensure_installed, installed_settings, on_uninstall
from transfuse.process.target import Target
from transfuse.servers import smoke_check
from transfuse.servers.interface_check import interface_mismatch, of_another_kind
from transfuse.source.suggestions import under_no_root
from transfuse.updates import participants

if TYPE_CHECKING:
    from transfuse.servers.interface_check import ServerInterface

_log = get_logger("transfuse")

# The remedy for a target that no root can make live.
INSTALLED = "it is installed: import it in a module under a root, and name that"


class TargetParticipant(participants.Participant):
    """Takes part in updates for one target.

    Args:
        target: must exist, and must be callable.
        served_as: how it is called.
    """

    order = 0

    def __init__(self, target: Target, served_as: ServerInterface) -> None:
        self._target = target
        self._served_as = served_as

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Look it up in the staged generation.

        Raises:
            TargetError: it is not there, or cannot be called like this.
        """
        self.check()

    def check(self) -> None:
        """The same in the pinned generation."""
        other = of_another_kind(self._target, self._target.resolve())
        if other is not None:
            raise TargetError(other)
        or_has = "__rsgi__" if self._served_as == "rsgi" else "__call__"
        application = self._target.resolve_callable(or_has)
        wrong = interface_mismatch(self._target, application, self._served_as)
        if wrong is not None:
            raise TargetError(wrong)


def serve(text: str, served_as: ServerInterface) -> Target:
    """Return a target without which updates are refused from now on; see `TargetParticipant`.

    Raises:
        TargetError: it is malformed, not there now, or cannot be called like this.
        SettingsError, RootError: as `install`.
        BaseException: its module raises it while it is loaded.
    """
    # Its imports are of no use where nothing is served.
    from transfuse.control import unix_socket  # noqa: PLC0415
    from transfuse.handover import occasions  # noqa: PLC0415

    target = Target(text)
    ensure_installed()
    # Not pinned, so that a file that was written just now is found.
    target.load()
    served = TargetParticipant(target, served_as)
    with Pin():
        served.check()
        frameworks.attend()
    _warn_if_unseen(target.module)
    participants.register(served)
    smoke_check.register()
    occasions.attend()
    occasions.answer()
    if unix_socket.serve(f"serve {target.text}"):
        on_uninstall(unix_socket.close)
    return target


def _warn_if_unseen(module: str) -> None:
    """Say so where edits of the target's own module are no updates; it may be so on purpose."""
    file = getattr(sys.modules.get(module), "__file__", None)
    settings = installed_settings()
    if settings is None or not isinstance(file, str) or not os.path.isabs(file):
        return
    place = under_no_root(module, file, settings.roots)
    if place is not None:
        advice = f"name {place} among the roots" if place else INSTALLED
        _log.warning(
            "%s is at %s, which is under no root, so its edits are not seen; %s",
            module,
            file,
            advice,
        )
