"""`transfuse rollback`: serve a former generation again."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import click

from transfuse.cli.client import answers, answers_of_groups, print_results
from transfuse.cli.options import process_options

_CLOCKS = ("%H:%M", "%H:%M:%S")


class _When(click.ParamType):  # type: ignore[type-arg]
    """The number of a generation, or a moment: that becomes a float, in seconds since 1970."""

    name = "N|TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Parse what was typed."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        if value.isdigit():
            return int(value)
        moment = parse_moment(value, datetime.fromtimestamp(time.time()))
        if moment is None:
            self.fail(
                f"{value!r} is no generation's number and no time, such as 12, 14:00 or"
                " 2026-11-29T14:00",
                param,
                ctx,
            )
        return moment


def parse_moment(text: str, now: datetime) -> float | None:
    """Return the moment that `text` names, in seconds since 1970; None if it names none.

    Args:
        text: ``"14:00"``, the last time that it was so late, or a date with a time.
        now: the local time.
    """
    for form in _CLOCKS:
        try:
            at = datetime.strptime(text, form).time()
        except ValueError:
            continue
        moment = datetime.combine(now.date(), at)
        return (moment if moment <= now else moment - timedelta(days=1)).timestamp()
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


@click.command(epilog="Example:  transfuse rollback --pid 4242 --to 14:00 --dry-run")
@process_options
@click.option("--to", type=_When(), help="The generation, by number or time; default: the last.")
@click.option("--dry-run", is_flag=True, help="Only name the destination.")
def rollback(pid: int | None, as_json: bool, to: float | None, dry_run: bool) -> int:
    """Serve a former generation again.

    Its modules are used again; those disposed of or shut down run again. The workers of one server
    do it together. The content on disk is set aside until the file changes again, or until
    'transfuse accept'. Ends with code 1 if a process refused, and 2 if nothing would change.
    """
    asked = {"at": to} if isinstance(to, float) else {"to": to}
    if dry_run:
        return print_results(answers("rollback", pid, dry_run=True, **asked), as_json, _text)
    return print_results(answers_of_groups("rollback", pid, **asked), as_json, _text)


def _text(reply: dict[str, Any]) -> str:
    if "with" not in reply:
        return str(reply["text"])
    return f"as process {reply['with']}; serving generation {reply['generation']}"
