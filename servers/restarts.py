"""`python -m servers.restarts`: what is lost when each server starts its processes anew?

By its own means (a signal), and `transfuse serve` by a handover. Under the load of
`handover_load`: 200 requests a second, one half on new connections and one half on connections that
are idle for half a second between two requests, and one request of three seconds that is always
open.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servers import apache
from servers.handover_load import Count, Load
from servers.lifespan import LIFESPAN
from servers.process import NotStarted, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

# How long fresh processes may take to answer, in seconds.
CAP = 20.0
# Seconds between two restarts, so that those of the one before have ended.
REST = 4.0

SITE = """
import asyncio, json, os, time
def body():
    return json.dumps({"pid": os.getpid()}).encode()
def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3)
    text = body()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
    start_response("200 OK", headers)
    return [text]
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["path"] == "/slow":
        await asyncio.sleep(3)
    text = body()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})
"""
SERVE = """
import transfuse
asgi, wsgi = transfuse.asgi("web:asgi"), transfuse.wsgi("web:wsgi")
"""


@dataclass(frozen=True)
class Kind:
    """One way to start processes anew.

    Attributes:
        name: of the server, and what one types.
        line: how it is started, with ``{port}``.
        restart: starts the processes of that server anew.
    """

    name: str
    line: str
    restart: Callable[[Server, Path], object]


def _hup(server: Server, folder: Path) -> None:  # noqa: ARG001
    os.kill(server.pid, signal.SIGHUP)


def _graceful(server: Server, folder: Path) -> None:  # noqa: ARG001
    os.kill(server.pid, signal.SIGUSR1)


def _handover(server: Server, folder: Path) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "transfuse", "handover"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


_PORT, _BIND = "--port {port}", "--bind 127.0.0.1:{port}"
_GUNICORN = f"gunicorn {_BIND} --workers 2"
KINDS = (
    Kind(
        "transfuse serve, ASGI: transfuse handover", f"transfuse serve web:asgi {_PORT}", _handover
    ),
    Kind(
        "transfuse serve, WSGI: transfuse handover", f"transfuse serve web:wsgi {_PORT}", _handover
    ),
    Kind(
        "gunicorn, threads: HUP",
        f"{_GUNICORN} --worker-class gthread --threads 8 serve:wsgi",
        _hup,
    ),
    Kind("gunicorn, gevent: HUP", f"{_GUNICORN} --worker-class gevent serve:wsgi", _hup),
    Kind(
        "gunicorn, uvicorn worker: HUP",
        f"{_GUNICORN} --worker-class uvicorn_worker.UvicornWorker serve:asgi",
        _hup,
    ),
    Kind("uvicorn, 2 workers: HUP", f"uvicorn {_PORT} --workers 2 serve:asgi", _hup),
    Kind("Granian, ASGI: HUP", f"granian {_PORT} --interface asgi --workers 2 serve:asgi", _hup),
    Kind(
        "Granian, WSGI: HUP",
        f"granian {_PORT} --interface wsgi --workers 2 --blocking-threads 8 serve:wsgi",
        _hup,
    ),
    Kind(
        "hypercorn, 2 workers: HUP",
        f"hypercorn {_BIND} --workers 2 serve:asgi",
        _hup,
    ),
    Kind("Apache, mod_wsgi daemon: -k graceful", "apache2 Daemon mode", _graceful),
    Kind("Apache, mod_wsgi embedded: -k graceful", "apache2 Embedded mode", _graceful),
)


def attempt(kind: Kind, times: int) -> tuple[Count, int]:
    """Start a server's processes anew; return what was lost, and how often fresh ones answered."""
    with tempfile.TemporaryDirectory(prefix="transfuse-restarts-") as name:
        folder = Path(name).resolve()
        (folder / "site").mkdir()
        (folder / "site" / "web.py").write_text(LIFESPAN + SITE)
        (folder / "serve.py").write_text(SERVE)
        (folder / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["site"]\n')
        # The commands are for this server only.
        (folder / "run").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
        port = free_port()
        if kind.line.startswith("apache2"):
            command = apache.command(kind.line.partition(" ")[2], port, folder)
        else:
            command = [sys.executable, "-m", *kind.line.format(port=port).split()]
        server = Server(command, folder, port)
        try:
            server.wait_until_ready()
            return _restarted(kind, server, folder, port, times)
        finally:
            server.stop()


def _restarted(
    kind: Kind, server: Server, folder: Path, port: int, times: int
) -> tuple[Count, int]:
    made = 0
    with Load(port) as load:
        for _ in range(times):
            seen = len(load.count.bodies)
            before = {json.loads(body)["pid"] for body in load.count.bodies}
            kind.restart(server, folder)
            deadline = time.monotonic() + CAP
            while time.monotonic() < deadline:
                if {json.loads(body)["pid"] for body in load.count.bodies[seen:]} - before:
                    made += 1
                    break
                time.sleep(0.05)  # between two looks, until the deadline
            time.sleep(REST)
    return load.count, made


def main() -> int:
    """Try servers, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m servers.restarts", description=main.__doc__)
    parser.add_argument("word", nargs="*", help="of the names; default: all")
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    print("| server, and what starts it anew | times | requests | lost: new | idle | slow |")
    print(f"|{'---|' * 6}", flush=True)
    for kind in KINDS:
        if given.word and not any(word.lower() in kind.name.lower() for word in given.word):
            continue
        try:
            count, made = attempt(kind, given.times)
        except (NotStarted, RuntimeError, AssertionError) as error:
            print(f"| {kind.name} | {type(error).__name__}: {str(error)[-500:]} |", flush=True)
            continue
        lost = " | ".join(str(count.lost[each]) for each in ("new", "idle", "slow"))
        total = sum(count.answered.values()) + sum(count.lost.values())
        print(f"| {kind.name} | {made} | {total:,} | {lost} |", flush=True)
        for why in count.why:
            print(f"  {why}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
