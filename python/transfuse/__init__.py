"""New code into a running Python server.

A map of the package. Folders in the order of their imports: each uses only those before it.

- `errors`: every error; `_core`: the compiled core, which loads, updates and pins
- `source`: from source to code, and from code back to its source, for tracebacks and hints
- `memory`: what keeps superseded code in memory
- `config`: the settings, and the files that they come from
- `runtime`: how processes of one user tell each other apart
- `patching`: the policy `patch`
- `updates`: request an update, take part in one, report it
- `workers`: several workers of one server switch together
- `process`: install and uninstall; what user code calls: `once`, `live`, `pin`
- `frameworks`: Django and Celery, which keep live objects for longer than a generation, and the
  engines of templates
- `control`: the socket by which the command line reaches a running process
- `servers`: `wsgi`, `asgi` and `rsgi`: the applications that a server holds
- `publishing`: a folder of modules as a web site
- `cli`: the command line
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from transfuse import frameworks as _frameworks  # noqa: F401 - `install` is to know of them
from transfuse.errors import (
    ContentGone,
    GenerationError,
    NotInstalledError,
    PolicyError,
    RootError,
    SettingsError,
    TargetError,
    TransfuseError,
)
from transfuse.process.files import read_text
from transfuse.process.imports import import_module, live, once, pin
from transfuse.process.install import install, uninstall

if TYPE_CHECKING:
    from transfuse.publishing.publisher import publisher
    from transfuse.servers.asgi import asgi
    from transfuse.servers.rsgi import rsgi
    from transfuse.servers.wsgi import wsgi
    from transfuse.updates.api import (
        accept,
        confirm,
        history,
        leaks,
        on_update,
        plan,
        rollback,
        status,
        update,
    )
    from transfuse.updates.history import HistoryEntry
    from transfuse.updates.hold import hold
    from transfuse.updates.reports import (
        Change,
        Plan,
        Ran,
        Report,
        Restart,
        Status,
        Trial,
        UpdateRefused,
    )
    from transfuse.version import __version__

__all__ = [
    "Change",
    "ContentGone",
    "GenerationError",
    "HistoryEntry",
    "NotInstalledError",
    "Plan",
    "PolicyError",
    "Ran",
    "Report",
    "Restart",
    "RootError",
    "SettingsError",
    "Status",
    "TargetError",
    "TransfuseError",
    "Trial",
    "UpdateRefused",
    "__version__",
    "accept",
    "asgi",
    "confirm",
    "history",
    "hold",
    "import_module",
    "install",
    "leaks",
    "live",
    "on_update",
    "once",
    "pin",
    "plan",
    "publisher",
    "read_text",
    "rollback",
    "rsgi",
    "status",
    "uninstall",
    "update",
    "wsgi",
]


# Those that are loaded on first use, and where they are: a program has one kind of server, and most
# processes end before their first update.
_HOMES = {
    "HistoryEntry": "updates.history",
    "__version__": "version",
    "asgi": "servers.asgi",
    "hold": "updates.hold",
    "publisher": "publishing.publisher",
    "rsgi": "servers.rsgi",
    "wsgi": "servers.wsgi",
    **dict.fromkeys(
        ("Change", "Plan", "Ran", "Report", "Restart", "Status", "Trial", "UpdateRefused"),
        "updates.reports",
    ),
    **dict.fromkeys(
        (
            "accept",
            "confirm",
            "history",
            "leaks",
            "on_update",
            "plan",
            "rollback",
            "status",
            "update",
        ),
        "updates.api",
    ),
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
