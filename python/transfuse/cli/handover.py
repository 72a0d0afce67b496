"""`transfuse handover`: serve from fresh processes, without losing a request."""

from __future__ import annotations

import click

from transfuse.cli.client import ask, print_results
from transfuse.cli.options import process_options
from transfuse.cli.selection import meant
from transfuse.cli.terminal import progress, say


@click.command(epilog="Example:  transfuse handover --pid 4242")
@process_options
@click.option("--dry-run", is_flag=True, help="Only tell what would be left behind.")
def handover(pid: int | None, as_json: bool, dry_run: bool) -> int:
    """Serve from fresh processes, without losing a request.

    They start beside those that serve, load the current files, and take over when all of them are
    ready; the former ones finish their requests and end. If they do not become ready, nothing
    changes, and the command says why and ends with code 1. Before that it names the values of
    `__preserve__` and of `once` that they start without.
    """
    process = meant(pid, one=True)[0]
    reply = ask(process, "left behind")
    left = reply.pop("left behind")
    told = f"fresh processes start without {left}" if left else "nothing would be left behind"
    if dry_run:
        reply.update(outcome="planned", text=told)
    else:
        if left:
            say(told, "yellow")
        with progress(f"starting fresh processes beside {process.name}"):
            reply = ask(process, "handover", timeout=None)
    return print_results([reply], as_json, lambda reply: str(reply["text"]))
