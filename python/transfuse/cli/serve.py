"""`transfuse serve`: Granian, with an application that takes edits."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import click

from transfuse.cli.detect_interface import Interface, insist, interface_of
from transfuse.cli.listening import listen
from transfuse.cli.options import live_options, settings_for
from transfuse.cli.server import STOP_WITHIN, Serving, start
from transfuse.cli.terminal import say
from transfuse.config.checks import HANDOVER_WORDS
from transfuse.errors import TargetError, TransfuseError
from transfuse.process.target import Target
from transfuse.servers.target_check import INSTALLED
from transfuse.source.suggestions import find_spec, nearest_target, under_no_root

if TYPE_CHECKING:
    from collections.abc import Sequence

_THREADS = 16


_EXAMPLES = """\b
Examples:
  transfuse serve shop.web:app --no-watch      and then: transfuse update
"""


def _seconds(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not 0 <= value < float("inf"):
        raise click.BadParameter("not a number of seconds", context, parameter)
    return value


@click.command(epilog=_EXAMPLES)
@click.argument("target")
@click.option("--host", default="127.0.0.1", metavar="NAME", help="The address.  [127.0.0.1]")
@click.option(
    "--port", default=8000, type=click.IntRange(1, 65535), metavar="N", help="The port.  [8000]"
)
@click.option(
    "--workers",
    default=1,
    type=click.IntRange(1),
    metavar="N",
    help="How many processes.  [1]",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help=f"Threads of each, for WSGI.  [{_THREADS}]",
)
@click.option(
    "--interface",
    type=click.Choice(["auto", "asgi", "wsgi"]),
    default="auto",
    help="That of the application.  [auto]",
)
@click.option(
    "--handover",
    type=click.Choice(HANDOVER_WORDS),
    help="When fresh processes take over.  [auto]",
)
@click.option(
    "--check",
    metavar="MODULE:FUNCTION",
    help="A function that checks new code.",
)
@click.option(
    "--stop-within",
    type=float,
    default=STOP_WITHIN,
    callback=_seconds,
    metavar="S",
    help=f"Seconds of grace after SIGTERM.  [{STOP_WITHIN:g}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON.")
@click.option("--reload", "reloads", is_flag=True, hidden=True)
@live_options
def serve(
    *,
    target: str,
    host: str,
    port: int,
    workers: int,
    threads: int | None,
    interface: str,
    handover: str | None,
    check: str | None,
    stop_within: float,
    as_json: bool,
    reloads: bool,
    roots: tuple[str, ...],
    take: str | None,
    no_watch: bool,
    policy: str | None,
    verbose: bool,
) -> int:
    """Serve TARGET by Granian; edits are served from the next request on.
    TARGET is module:attribute; the attribute is app or application if left out.
    """
    if reloads:
        raise TransfuseError(
            "edits are served without --reload, and nothing restarts: leave it out"
        )
    _check_host(host)
    sought = Target(target)
    flags = {"policy": policy, "handover": handover, "check": check}
    settings = settings_for(
        roots=roots, no_watch=no_watch, place=os.getcwd(), module=sought.module, **flags
    )
    _check_module(sought, settings.roots)
    # Before the application is looked at, which may take long.
    listen(host, port).close()
    kind = _interface(sought, interface, settings.roots)
    if kind == "asgi" and threads is not None:
        raise TransfuseError(
            f"{target} is an ASGI application, which runs in one event loop a worker:"
            " --threads is for WSGI; say --workers, or --interface wsgi if it is one"
        )
    if kind == "wsgi" and settings.drain is not None:
        say("the setting drain is for ASGI: a WSGI response lasts until it ends", "yellow")
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
            stop_within=stop_within,
            as_json=as_json,
            take=take or "default",
        )
    )


def _interface(target: Target, said: str, roots: Sequence[str]) -> Interface:
    """Return what the application is: as was said, or found out."""
    if said == "auto":
        return interface_of(target, roots)
    kind: Interface = "asgi" if said == "asgi" else "wsgi"
    insist(target, roots, kind)
    return kind


def _check_module(target: Target, roots: Sequence[str]) -> None:
    search = [*roots, *sys.path]
    spec = find_spec(target.module, search)
    if spec is None:
        near = nearest_target(target.module, search)
        hint = f"; did you mean {near!r}?" if near else "; name its directory by --root"
        raise TargetError(f"target {target.text!r}: there is no module {target.module!r}{hint}")
    if spec.origin is None:
        return
    file = os.path.abspath(spec.origin)
    place = under_no_root(target.module, file, roots)
    if place is not None:
        advice = f"say --root {_short(place)}" if place else INSTALLED
        raise TargetError(
            f"{target.module} is at {file}, which is under no root, so its edits would not be"
            f" seen; {advice}"
        )


def _short(place: str) -> str:
    """Return how a person at the working directory would write it."""
    short = os.path.relpath(place)
    return place if short.startswith(os.pardir) else short


def _check_host(host: str) -> None:
    """Raise TransfuseError if the port is in it; that would be looked up as a name."""
    both = re.fullmatch(r"([^:]*|\[.*\]):([0-9]+)", host)
    if both is not None:
        name = both[1].strip("[]")
        right = f"--host {name} --port {both[2]}" if name else f"--port {both[2]}"
        raise TransfuseError(f"--host {host} has the port in it; say {right}")
