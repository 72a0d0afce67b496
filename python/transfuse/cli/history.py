"""`transfuse history`: the last updates, and the states that a rollback can restore."""

from __future__ import annotations

from typing import Any

import click

from transfuse.cli.client import answers, print_json, title
from transfuse.cli.options import process_options
from transfuse.updates.messages import changes_text, clock, ran_text
from transfuse.updates.reports import Change, Ran

_BY = {
    "saved": "saved",
    "release": "a release",
    "update": "update",
    "accept": "accept",
    "worker": "another worker",
}


@click.command(epilog="Example:  transfuse history --json | jq '.entries[] | .generation'")
@process_options
@click.option("--last", type=int, default=20, metavar="N", help="How many updates; default: 20.")
def history(pid: int | None, as_json: bool, last: int) -> None:
    """Show the last updates: their times, causes, changed files and results.

    A star marks the served generation, and 'back' those that 'transfuse rollback --to' can
    restore.
    """
    replies = answers("history", pid)
    if as_json:
        print_json(replies)
        return
    for reply in replies:
        click.echo(title(reply))
        entries = reply["entries"][-max(last, 1) :]
        for entry in entries:
            click.echo(f"  {history_line(entry, reply['roots'], reply.get('resumed'))}")
        if hidden := len(reply["entries"]) - len(entries):
            click.echo(f"  {hidden} earlier ones; --last {len(reply['entries'])} shows them")
        if reply["set_aside"]:
            click.echo(f"  set aside: {', '.join(reply['set_aside'])}")


def history_line(
    entry: dict[str, Any], roots: list[str], resumed: dict[str, Any] | None = None
) -> str:
    """Tell one update, as `HistoryEntry.to_json` has it.

    Args:
        entry: the update.
        roots: files below these are shown relative to them.
        resumed: the choice of the process at its start, as `Resumed.to_json` has it.
    """
    mark = "*" if entry["is_served"] else "back" if entry["can_go_back"] else ""
    story = _story(entry, roots, resumed)
    return f"{mark:<5}{entry['generation']:>4}  {clock(entry['time'])}  {story}"


def _story(entry: dict[str, Any], roots: list[str], resumed: dict[str, Any] | None) -> str:
    outcome = entry["outcome"]
    if outcome == "started":
        return ": ".join(["started", *(resumed or {}).get("lines", ())])
    changed = changes_text([Change(*each) for each in entry["changed"]], roots)
    ran = ran_text([Ran(*each) for each in entry["ran"]])
    note = f"; {entry['note']}" if entry.get("note") else ""
    if entry["by"] == "former process":
        return f"served by a process before this one{': ' + changed if entry['changed'] else ''}"
    if entry["back_to"] is not None:
        done = outcome if outcome == "rolled back" else f"rollback {outcome}"
        return f"{done} to generation {entry['back_to']}: {changed}{_reason(entry)}{note}"
    return (
        f"{outcome} ({_BY.get(entry['by'], entry['by'])}): {changed}; {ran}{_reason(entry)}{note}"
    )


def _reason(entry: dict[str, Any]) -> str:
    return f"; {entry['error']}" if entry["error"] else ""
