"""With which settings does a process of a team begin?

With those that the first process of the team has read: another one, started at the same moment or
later in place of one that ended, might read files that were saved since, and serve other roots than
the others.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
from typing import TYPE_CHECKING

from transfuse.config.settings import read_settings

if TYPE_CHECKING:
    from transfuse.config.settings import Origin, Settings


def settings_of_team(folder: str, team: int, origin: Origin) -> Settings:
    """Return the settings of a team: the first of its processes reads them.

    Args:
        folder: of the server, of this user alone.
        team: the number of the team.
        origin: where they are read.

    Raises:
        SettingsError: the first process finds an unknown key or a senseless value.
    """
    path = os.path.join(folder, f"settings-{team}")
    # A program that removes old temporary files may have removed it.
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return _loaded(file.read())
    settings = read_settings(origin=origin)
    with tempfile.NamedTemporaryFile(dir=folder) as beside:
        beside.write(pickle.dumps(settings))
        beside.flush()
        # Another process may have been faster.
        with contextlib.suppress(FileExistsError):
            os.link(beside.name, path)
    with open(path, "rb") as file:
        return _loaded(file.read())


def _loaded(content: bytes) -> Settings:
    settings: Settings = pickle.loads(content)
    return settings
