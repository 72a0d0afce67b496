"""`transfuse confirm`: keep an update that is on trial."""

from __future__ import annotations

import click

from transfuse.cli.client import answers, print_results
from transfuse.cli.exit_codes import SENSELESS
from transfuse.cli.options import process_options


@click.command(epilog="Example:  transfuse update --confirm-within 2m && transfuse confirm")
@process_options
def confirm(pid: int | None, as_json: bool) -> int:
    """Keep an update that 'update --confirm-within' has put on trial.

    Otherwise the server goes back to its state before the trial. Ends with code 2 if nothing is on
    trial.
    """
    replies = answers("confirm", pid, one=True)
    code = print_results(replies, as_json, lambda reply: str(reply["text"]))
    return code if any(reply["outcome"] == "confirmed" for reply in replies) else SENSELESS
