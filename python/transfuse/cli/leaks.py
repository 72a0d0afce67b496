"""`transfuse leaks`: what keeps old code in memory?"""

from __future__ import annotations

import click

from transfuse.cli.client import answers, print_json, title
from transfuse.cli.options import process_options

# Seconds that an answer may take beyond the search: the process may be busy.
_PATIENCE = 60.0


@click.command(epilog="Example:  transfuse leaks --pid 4242 --seconds 30")
@process_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long each process searches.",
)
def leaks(pid: int | None, as_json: bool, seconds: float) -> None:
    """Show the references that keep former modules in memory, with remedies.

    The process searches all of its memory, and answers requests meanwhile.
    """
    replies = answers("leaks", pid, timeout=seconds + _PATIENCE, seconds=seconds)
    if as_json:
        print_json(replies)
        return
    for reply in replies:
        click.echo("\n  ".join([title(reply), *reply["lines"]]))
