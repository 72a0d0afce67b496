"""`transfuse plan`: what would an update do now?"""

from __future__ import annotations

import click

from transfuse.cli.client import answers, print_json, title
from transfuse.cli.options import process_options
from transfuse.updates.messages import plan_lines
from transfuse.updates.reports import Plan


@click.command(epilog="Example:  transfuse plan --pid 4242")
@process_options
def plan(pid: int | None, as_json: bool) -> None:
    """Show what an update would run now, and why.

    Nothing is run.
    """
    replies = answers("plan", pid)
    if as_json:
        print_json(replies)
        return
    for reply in replies:
        click.echo(title(reply))
        for line in plan_lines(Plan.from_core(reply), reply["roots"]) or ["nothing to update"]:
            click.echo(f"  {line}")
