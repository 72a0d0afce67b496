"""How does Transfuse go on with the real files while a test has a fake file system?

`pyfakefs` replaces `os`, `io` and the like in all modules that are loaded, and in those that are
imported meanwhile. So all of ours that an update needs are imported before, and left alone.
Nothing here imports `pyfakefs`.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from typing import Any

from transfuse.frameworks.when_imported import replace

_FOLDERS = (
    *("config", "last_served", "memory", "patching", "process", "registrations", "runtime"),
    *("source", "updates", "workers"),
)


def adapt() -> None:
    """Leave Transfuse out of what a fake file system replaces, until `uninstall`."""
    replace(sys.modules["pyfakefs.fake_filesystem_unittest"].Patcher, "__init__", _begin)


def _begin(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    for folder in _FOLDERS:
        package = import_module(f"transfuse.{folder}")
        for each in pkgutil.iter_modules(package.__path__):
            import_module(f"transfuse.{folder}.{each.name}")
    self.skip_names.update(name for name in sys.modules if name.partition(".")[0] == "transfuse")
