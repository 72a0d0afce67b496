"""`transfuse rollback`: serve a former generation again."""

from __future__ import annotations

import click

from transfuse.cli.asking import answers, print_json, title
from transfuse.cli.options import process_options


@click.command(epilog="Example:  transfuse rollback --to 12")
@process_options
@click.option("--to", type=int, metavar="N", help="The generation; default: the one before.")
def rollback(pid: int | None, as_json: bool, to: int | None) -> int:
    """Serve a former generation again.

    It was kept, so nothing is loaded. Ends with code 1 if a process refused.
    """
    replies = answers("rollback", pid, to=to)
    if as_json:
        print_json(replies)
    else:
        for reply in replies:
            click.echo(f"{title(reply)}: {reply['text']}")
    return int(any(reply["outcome"] == "refused" for reply in replies))
