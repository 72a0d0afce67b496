"""Which servers are tried, and what does one write for each?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers import apache

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One way to serve.

    Attributes:
        name: such as ``"gunicorn, threads"``.
        line: what one writes, with ``{port}``; through Transfuse.
        own: the same with the server's own reloader and without Transfuse; empty if it has none.
        workers: how many processes answer.
    """

    name: str
    line: str
    own: str = ""
    workers: int = 1

    def command(self, port: int, folder: Path, *, own: bool = False) -> list[str]:
        """Return the command line, by the interpreter that runs; `folder` is served."""
        if self.line.startswith("apache2"):
            return apache.command(self.line.partition(" ")[2], port, folder)
        program, *words = (self.own if own else self.line).format(port=port).split()
        return [sys.executable, "-m", _MODULES.get(program, program), *words]


# Program -> the module that is run for it.
_MODULES = {"waitress-serve": "waitress"}

_GUNICORN = "gunicorn --bind 127.0.0.1:{port}"
_HYPERCORN = "hypercorn --bind 127.0.0.1:{port}"
_UVICORN = "uvicorn --port {port}"
_GRANIAN = "granian --port {port}"
_SITE = "--reload --reload-paths site --working-dir site"

KINDS = (
    Kind(
        "uvicorn",
        f"{_UVICORN} serve:asgi",
        f"{_UVICORN} --app-dir site --reload --reload-dir site web:asgi",
    ),
    Kind("uvicorn, 2 workers", f"{_UVICORN} --workers 2 serve:asgi", workers=2),
    Kind(
        "Granian, ASGI",
        f"{_GRANIAN} --interface asgi serve:asgi",
        f"{_GRANIAN} --interface asgi {_SITE} web:asgi",
    ),
    Kind(
        "Granian, WSGI, threads",
        f"{_GRANIAN} --interface wsgi --blocking-threads 8 serve:wsgi",
        f"{_GRANIAN} --interface wsgi --blocking-threads 8 {_SITE} web:wsgi",
    ),
    Kind(
        "Granian, RSGI",
        f"{_GRANIAN} --interface rsgi serve:rsgi",
        f"{_GRANIAN} --interface rsgi {_SITE} web:rsgi",
    ),
    Kind("Granian, 2 workers", f"{_GRANIAN} --interface asgi --workers 2 serve:asgi", workers=2),
    Kind(
        "gunicorn, threads",
        f"{_GUNICORN} --worker-class gthread --threads 8 serve:wsgi",
        f"{_GUNICORN} --worker-class gthread --threads 8 --chdir site --reload web:wsgi",
    ),
    Kind(
        "gunicorn, gevent",
        f"{_GUNICORN} --worker-class gevent --worker-connections 100 serve:wsgi",
    ),
    Kind(
        "gunicorn, gevent, 2 workers",
        f"{_GUNICORN} --worker-class gevent --workers 2 serve:wsgi",
        workers=2,
    ),
    Kind(
        "gunicorn, --preload, 2 workers",
        f"{_GUNICORN} --worker-class gthread --threads 4 --preload --workers 2 serve:wsgi",
        workers=2,
    ),
    Kind(
        "gunicorn, uvicorn worker",
        f"{_GUNICORN} --worker-class uvicorn_worker.UvicornWorker serve:asgi",
        f"{_GUNICORN} --worker-class uvicorn_worker.UvicornWorker --chdir site --reload web:asgi",
    ),
    Kind(
        "hypercorn",
        f"{_HYPERCORN} serve:asgi",
        f"{_HYPERCORN} --reload site/web.py:asgi",
    ),
    Kind("waitress", "waitress-serve --listen 127.0.0.1:{port} --threads 8 serve:wsgi"),
    Kind("Apache, mod_wsgi daemon, 2 processes", "apache2 Daemon mode", workers=2),
    Kind("Apache, mod_wsgi embedded, 2 processes", "apache2 Embedded mode", workers=2),
    Kind("transfuse serve", "transfuse serve --root site --port {port} web:asgi"),
)
