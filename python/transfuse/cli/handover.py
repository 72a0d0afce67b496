"""`transfuse handover`: serve from fresh processes, without losing a request."""

from __future__ import annotations

import click

from transfuse.cli.client import ask, print_results
from transfuse.cli.options import process_options
from transfuse.cli.selection import meant
from transfuse.cli.terminal import progress, say


@click.command(epilog="Example:  transfuse handover --pid 4242")
@process_options
@click.option("--dry-run", is_flag=True, help="Only tell what fresh processes start without.")
def handover(pid: int | None, as_json: bool, dry_run: bool) -> int:
    """Serve from fresh processes, without losing a request.

    They start beside those that serve, load the code that the files have now, and take over when
    all of them are ready; the former ones finish what they have and end. If they do not become
    ready, nothing changes, and the command says why and ends with code 1. It tells before what
    they start without: values of `__preserve__` and of `once`.
    """
    process = meant(pid, one=True)[0]
    left = ask(process, "left behind")["left behind"]
    if left:
        say(f"fresh processes start without {left}", "yellow")
    if dry_run:
        return 0
    with progress(f"starting fresh processes beside {process.name}"):
        replies = [ask(process, "handover", timeout=None)]
    return print_results(replies, as_json, lambda reply: str(reply["text"]))
