"""`transfuse update`: update the running processes now."""

from __future__ import annotations

import click

from transfuse.cli.client import answers, print_results
from transfuse.cli.options import Duration, process_options


@click.command(epilog="Example:  transfuse update --pid 4242")
@click.option("--hold", is_flag=True, help="Delay automatic updates until --release.")
@click.option("--release", is_flag=True, help="End a --hold, and update.")
@click.option(
    "--confirm-within",
    type=Duration(),
    metavar="TIME",
    help="Go back after 90s, 2m, ... unless confirmed.",
)
@process_options
def update(
    pid: int | None, as_json: bool, hold: bool, release: bool, confirm_within: float | None
) -> int:
    """Update now, whether or not files are watched.

    All changes between --hold and --release are one update; a hold lasts ten minutes at most. With
    --confirm-within the server goes back by itself unless 'transfuse confirm' comes in time, and
    at once if requests fail more often.

    All processes of this project do it. Ends with code 1 if one refused the update.
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
