"""`transfuse status`: how do things stand in the running processes?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from transfuse.cli.client import answers, print_json, title
from transfuse.cli.options import process_options
from transfuse.updates.messages import short_path, trial_text
from transfuse.updates.reports import Trial

# How many entries of a list are shown.
_SHOWN = 8


@click.command(epilog="Example:  transfuse status --json | jq .generation")
@process_options
def status(pid: int | None, as_json: bool) -> None:
    """Show what each running process serves."""
    replies = answers("status", pid)
    if as_json:
        print_json(replies)
        return
    click.echo("\n\n".join("\n".join(status_lines(reply)) for reply in replies))


def status_lines(reply: dict[str, Any]) -> list[str]:
    """Tell a status, as `Status.to_json` has it, in lines."""
    kept = ", ".join(str(number) for number in reply["kept"]) or "none"
    draining = [
        f"generation {number} ({pins} {'unit' if pins == 1 else 'units'} of work)"
        for number, pins in reply["draining"]
    ]
    rows = [
        ("generation", str(reply["generation"])),
        ("kept", kept),
        *_trial(reply),
        ("draining", ", ".join(draining) or "none"),
        ("roots", ", ".join(reply["roots"])),
        ("modules", f"{reply['modules']} live"),
        ("watching", _watching(reply)),
        ("updates", f"{reply['updates']} published, {reply['refused']} refused"),
        ("kept source", f"{reply['stored_bytes'] / 1024:.0f} KiB"),
    ]
    for unit in reply["units"][:_SHOWN]:
        place = f", at {unit['where']}" if unit["where"] else ""
        rows.append(
            (
                "in use by",
                f"{unit['what']} for {unit['seconds']:.0f} s in {unit['thread']}{place};"
                f" generation {unit['generation']}",
            )
        )
    rows += _more("in use by", reply["units"])
    rows += [("finishing", _finishing(each)) for each in reply.get("finishing", ())]
    if reply["lingering"]:
        count = reply["lingering"]
        rows.append(
            ("in memory", f"{count} of former generations; if they become more: transfuse leaks")
        )
    for name, code, what in reply["restart"][:_SHOWN]:
        rows.append(("restart", f"{name} ({code}: {what})"))
    rows += _more("restart", reply["restart"])
    # The command may be of a later release than the process.
    aside = reply.get("set_aside", ())
    for path in aside[:_SHOWN]:
        name = short_path(path, reply["roots"])
        rows.append(
            ("set aside", f"{name}, by a rollback; served again when it changes, or accepted")
        )
    rows += _more("set aside", list(aside))
    rows += [("at its start", line) for line in (reply.get("resumed") or {}).get("lines", ())]
    for path, why in reply["unreadable"][:_SHOWN]:
        rows.append(("unreadable", f"{path} ({why}); no module comes from there"))
    rows += _more("unreadable", reply["unreadable"])
    if reply["failing"]:
        # The command may be of a later release than the process.
        place = reply["failing"].get("place")
        at = f"{short_path(place[0], reply['roots'])}, line {place[1]}: " if place else ""
        rows.append(("failing", f"{at}{reply['failing']['error']}"))
    return [title(reply), *(f"  {name:<13}{text}" for name, text in rows)]


def _trial(reply: dict[str, Any]) -> list[tuple[str, str]]:
    # The command may be of a later release than the process.
    trial = reply.get("trial")
    rows = [("requests", _requests(reply))] if _requests(reply) else []
    if trial:
        rows.append(("trial", trial_text(Trial(**trial))))
    return rows


def _requests(reply: dict[str, Any]) -> str:
    """Tell how many requests have failed, of the last generations that had any."""
    of_each = [
        f"{failed:,} of {begun:,} failed in generation {number}"
        for number, begun, failed in reply.get("requests", ())
        if begun
    ]
    return ", ".join(reversed(of_each[-2:]))


def _finishing(process: dict[str, Any]) -> str:
    """Say what a process has left that others have taken over from."""
    count, ends_by = process["requests"], process["ends_by"]
    what = "1 request" if count == 1 else f"{count} requests"
    end = (
        f"by {_clock(ends_by)}" if ends_by is not None else f"with {'it' if count == 1 else 'them'}"
    )
    return f"process {process['pid']}: {what}, since {_clock(process['since'])}, ends {end}"


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%H:%M:%S")


def _more(name: str, entries: list[Any]) -> list[tuple[str, str]]:
    more = len(entries) - _SHOWN
    return [(name, f"{more} more; --json lists all")] if more > 0 else []


def _watching(reply: dict[str, Any]) -> str:
    if reply["watching"] == "ended":
        return "ended: nothing is updated any more, by a fault of Transfuse's; restart this process"
    because = f": {reply['watching_because']}" if reply["watching_because"] else ""
    return f"{reply['watching']}{because}{_lost(reply['lost_events'])}"


def _lost(count: int) -> str:
    if not count:
        return ""
    times = "once" if count == 1 else f"{count} times"
    return f"; the system lost events {times}, and the whole tree was compared"
