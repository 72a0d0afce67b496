"""New code into a running Python server.

A map of the package, in reading order:

- `errors`: what can go wrong; `settings` (with `values`): what Transfuse is told to do
- `lifecycle`: install and uninstall; `imports`: live modules, `once`, `live`, `pin`
- `target`: what ``"shop.web:app"`` means; `wsgi`, `asgi`, `rsgi`: what a server holds
- `stages`: who has a say in an update (`served`, `lifespans`, `workers`); `connections`
- `publisher`: a folder of modules as a web site; `publishing`: what is behind it
- `updates`: ask for one, hear of one; `reports`: what comes of it; `traces`, `console`: its words
- `compiler`, `carrying`: from source to code, called by the core
- `local`: how the command line asks a running process; `cli`: the command line
- `_core`: the compiled core, which loads, updates and pins
"""

from transfuse.asgi import asgi
from transfuse.errors import (
    ContentGone,
    GenerationError,
    NotInstalledError,
    PolicyError,
    RootError,
    SettingsError,
    TargetError,
    TransfuseError,
    UpdateRefused,
)
from transfuse.imports import import_module, live, once, pin
from transfuse.lifecycle import install, uninstall
from transfuse.publisher import publisher
from transfuse.reports import Change, Plan, Ran, Report, Restart, Status
from transfuse.rsgi import rsgi
from transfuse.updates import on_update, plan, rollback, status, update
from transfuse.version import __version__
from transfuse.wsgi import wsgi

__all__ = [
    "Change",
    "ContentGone",
    "GenerationError",
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
    "UpdateRefused",
    "__version__",
    "asgi",
    "import_module",
    "install",
    "live",
    "on_update",
    "once",
    "pin",
    "plan",
    "publisher",
    "rollback",
    "rsgi",
    "status",
    "uninstall",
    "update",
    "wsgi",
]
