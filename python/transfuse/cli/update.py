"""`transfuse update`: update the running processes now."""

from __future__ import annotations

import click

from transfuse.cli.client import answers, print_results
from transfuse.cli.options import process_options


@click.command(epilog="Example:  transfuse update --pid 4242")
@process_options
def update(pid: int | None, as_json: bool) -> int:
    """Update now, whether or not files are watched.

    All processes of this project do it, unless an option says otherwise. Ends with code 1 if a
    process refused the update.
    """
    replies = answers("update", pid, timeout=None)
    return print_results(replies, as_json, lambda reply: str(reply["text"]))
