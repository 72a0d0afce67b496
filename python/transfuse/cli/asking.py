"""Which running process is meant, and what does it answer?"""

from __future__ import annotations

import json
from typing import Any

import click

from transfuse import local
from transfuse.cli.talk import progress
from transfuse.errors import TransfuseError


def chosen(pid: int | None) -> list[local.Process]:
    """Return the processes to ask: the one with this id, or all.

    Raises:
        TransfuseError: there is none.
    """
    found = local.processes()
    if pid is not None:
        found = [process for process in found if process.pid == pid]
    if not found:
        what = "no process of yours" if pid is None else f"no process {pid} of yours"
        raise TransfuseError(
            f"{what} is served by Transfuse; start one by 'transfuse serve' or 'transfuse run'"
        )
    return found


def answers(what: str, pid: int | None, **more: Any) -> list[dict[str, Any]]:
    """Ask each chosen process and return what they say, in the order of their ids."""
    replies = []
    for process in chosen(pid):
        with progress(f"asking process {process.pid}"):
            replies.append(local.ask(process, what, **more))
    return replies


def print_json(replies: list[dict[str, Any]]) -> None:
    """Print each reply as a line of JSON."""
    for reply in replies:
        click.echo(json.dumps(reply))


def title(reply: dict[str, Any]) -> str:
    """Say which process a reply is from."""
    return f"process {reply['pid']}: {reply['process']}"
