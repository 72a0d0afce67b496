"""`transfuse update`: update the running processes now."""

from __future__ import annotations

import click

from transfuse.cli.client import answers, print_results
from transfuse.cli.options import Duration, process_options


@click.command(epilog="Example:  transfuse update --pid 4242")
@click.option("--hold", is_flag=True, help="Make no update by itself until --release.")
@click.option("--release", is_flag=True, help="End a --hold, and update.")
@click.option(
    "--confirm-within",
    type=Duration(),
    help="Go back after this time, such as 90s or 2m, unless 'transfuse confirm' comes.",
)
@process_options
def update(
    pid: int | None, as_json: bool, hold: bool, release: bool, confirm_within: float | None
) -> int:
    """Update now, whether or not files are watched.

    A script that changes many files says --hold before the first and --release after the last one:
    what changed between them is one change. A hold ends by itself after ten minutes.

    With --confirm-within, what is published is on trial: the server goes back by itself when the
    time is up, and at once if requests fail more often than before.

    All processes of this project do it, unless an option says otherwise. Ends with code 1 if a
    process refused the update.
    """
    if hold and release:
        raise click.UsageError("--hold and --release exclude each other")
    if hold:
        return print_results(answers("hold", pid), as_json, lambda reply: str(reply["text"]))
    if hold and confirm_within is not None:
        raise click.UsageError("--hold makes no update that could be confirmed")
    if release and confirm_within is None:
        # All of them, before the first one updates.
        answers("release", pid)
    replies = answers("update", pid, timeout=None, confirm_within=confirm_within)
    if release and confirm_within is not None:
        # After it: an update that is made by itself would be on no trial.
        answers("release", pid)
    return print_results(replies, as_json, lambda reply: str(reply["text"]))
