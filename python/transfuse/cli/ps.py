"""`transfuse ps`: which processes of this user serve, in all projects?"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from transfuse.cli.client import print_json
from transfuse.cli.options import json_option, timeout_option
from transfuse.cli.selection import selection
from transfuse.control import processes
from transfuse.errors import NoAnswer, TransfuseError

if TYPE_CHECKING:
    from transfuse.control.processes import Process

_AT_ONCE = 16
_COLUMNS = ("PID", "GENERATION", "SINCE", "STATE", "SERVER", "PROJECT")


@click.command(epilog="Example:  transfuse ps --json | jq .project")
@click.option("-q", "--quiet", is_flag=True, help="Print process ids only.")
@timeout_option
@json_option
def ps(as_json: bool, quiet: bool) -> None:
    """List your processes, of all projects.

    One that is stopped or busy is listed as such. PID is - for a process of another container
    that is out of sight from here.
    """
    found = processes.processes()
    limit = selection().timeout
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = [row for row in pool.map(lambda each: _row(each, limit), found) if row is not None]
    if as_json:
        print_json(rows)
        return
    if quiet:
        click.echo("".join(f"{row['pid']}\n" for row in rows if row["pid"] is not None), nl=False)
        return
    lines = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_COLUMNS))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _row(process: Process, limit: float) -> dict[str, Any] | None:
    """Return what there is to say about a process; None if it has ended meanwhile."""
    card = process.card
    row: dict[str, Any] = {
        "pid": process.pid or None,
        "project": card.project,
        "process": card.process,
        "server": card.server,
        "generation": None,
        "started": card.started,
    }
    try:
        reply = processes.ask(process, "status", timeout=limit, within=limit)
    except NoAnswer as error:
        return None if error.state == "ended" else {**row, "state": error.state}
    except TransfuseError:
        # It is not installed any more, or of another release.
        return {**row, "state": "not installed"}
    state = "failing" if reply["failing"] else "serving"
    return {**row, "generation": reply["generation"], "state": state}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    generation = "-" if row["generation"] is None else str(row["generation"])
    pid = "-" if row["pid"] is None else str(row["pid"])
    return (
        pid,
        generation,
        _since(row["started"]),
        row["state"],
        row["process"],
        _short(row["project"]),
    )


def _since(started: float) -> str:
    """Return the time, with the day if it was not today."""
    then, now = time.localtime(started), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


def _short(project: str) -> str:
    home = os.path.expanduser("~")
    return "~" + project[len(home) :] if project.startswith(home + os.sep) else project
