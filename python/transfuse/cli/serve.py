"""`transfuse serve`: Granian, with an application that takes edits."""

from __future__ import annotations

import os
import socket
import sys

import click

from transfuse.cli.interface import interface_of
from transfuse.cli.options import live_options, settings_for
from transfuse.cli.server import Serving, start
from transfuse.cli.talk import say
from transfuse.errors import TargetError, TransfuseError
from transfuse.locate import find_spec, nearest_module
from transfuse.target import Target

_THREADS = 16


@click.command(epilog="Example:  transfuse serve shop.web:app --port 8080 --threads 32")
@click.argument("target")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port."
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="How many processes."
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help=f"How many threads run a WSGI application.  [default: {_THREADS}]",
)
@click.option(
    "--interface",
    type=click.Choice(["auto", "asgi", "wsgi"]),
    default="auto",
    show_default=True,
    help="What the application is.",
)
@live_options
def serve(
    *,
    target: str,
    host: str,
    port: int,
    workers: int,
    threads: int | None,
    interface: str,
    roots: tuple[str, ...],
    no_watch: bool,
    policy: str | None,
    verbose: bool,
) -> int:
    """Serve TARGET, such as shop.web:app, by Granian.

    The attribute is `app` or `application` if it is left out. Edits below the roots are served
    from the next request on.
    """
    sought = Target(target)
    settings = settings_for(
        roots=roots, no_watch=no_watch, policy=policy, place=os.getcwd(), module=sought.module
    )
    _check_module(sought, [*settings.roots, *sys.path])
    _check_port(host, port)
    kind = interface if interface != "auto" else interface_of(sought, settings.roots)
    if kind == "asgi" and threads is not None:
        say("--threads is for WSGI; an ASGI application runs in one event loop a worker")
    return start(
        Serving(
            target=target,
            interface=kind,
            host=host,
            port=port,
            workers=workers,
            threads=threads or _THREADS,
            settings=settings,
            verbose=verbose,
        )
    )


def _check_module(target: Target, search: list[str]) -> None:
    if find_spec(target.module, search) is None:
        near = nearest_module(target.module, search)
        hint = f"; did you mean {near!r}?" if near else "; name its directory by --root"
        raise TargetError(f"target {target.text!r}: there is no module {target.module!r}{hint}")


def _check_port(host: str, port: int) -> None:
    """Raise TransfuseError if nobody can listen there now."""
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = places[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Binding alone passes beside somebody who shares the port but has yet to listen.
            probe.listen(1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TransfuseError(
            f"cannot listen at {host}, port {port}: {reason}; say --port or --host"
        ) from None
