"""Selects running processes, asks them, and prints their answers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from transfuse.cli.terminal import progress
from transfuse.control import unix_socket
from transfuse.errors import TransfuseError

if TYPE_CHECKING:
    from collections.abc import Callable

# The longest that a worker may take to follow another one, in seconds.
_PATIENCE = 30.0


def chosen(pid: int | None) -> list[unix_socket.Process]:
    """Return the processes to ask: the one with this id, or all.

    Raises:
        TransfuseError: there is none.
    """
    found = unix_socket.processes()
    if pid is not None:
        found = [process for process in found if process.pid == pid]
    if not found:
        what = "no process of yours" if pid is None else f"no process {pid} of yours"
        raise TransfuseError(
            f"{what} is served by Transfuse; start one by 'transfuse serve' or 'transfuse run'"
        )
    return found


def answers(what: str, pid: int | None, **more: Any) -> list[dict[str, Any]]:
    """Ask each chosen process and return the replies, in the order of process ids."""
    replies = []
    for process in chosen(pid):
        with progress(f"asking process {process.pid}"):
            replies.append(unix_socket.ask(process, what, **more))
    return replies


def answers_of_groups(what: str, pid: int | None, **more: Any) -> list[dict[str, Any]]:
    """Ask one process of each server: its other workers do what it does.

    Returns:
        The replies of the processes that were asked, and the status of each other one once it has
        followed, with ``"with"``: the process that it followed.

    Raises:
        TransfuseError: a process reports an error, does not answer, or does not follow.
    """
    replies: list[dict[str, Any]] = []
    # Group -> the reply of the process in it that was asked.
    asked: dict[str, dict[str, Any]] = {}
    stood = [(process, unix_socket.ask(process, "status")) for process in chosen(pid)]
    for process, before in stood:
        first = asked.get(before["group"])
        if first is None:
            with progress(f"asking process {process.pid}"):
                replies.append(unix_socket.ask(process, what, **more))
            if before["group"] is not None:
                asked[before["group"]] = replies[-1]
        else:
            with progress(f"waiting for process {process.pid}"):
                replies.append(_followed(process, before, first))
    return replies


def _followed(
    process: unix_socket.Process, before: dict[str, Any], first: dict[str, Any]
) -> dict[str, Any]:
    """Wait until a process serves something else than before, if the one that was asked does."""
    outcome = first["outcome"]
    deadline = time.monotonic() + _PATIENCE
    while True:
        now = unix_socket.ask(process, "status")
        stays = outcome not in ("published", "rolled back")
        if stays or now["generation"] != before["generation"]:
            return {**now, "outcome": outcome, "with": first["pid"]}
        if time.monotonic() > deadline:
            raise TransfuseError(
                f"process {process.pid} still serves generation {now['generation']}, while another"
                f" worker of its server does not; see its log"
            )
        time.sleep(0.02)  # another process does not call: asked again, until the deadline


def print_json(replies: list[dict[str, Any]]) -> None:
    """Print each reply as a line of JSON."""
    for reply in replies:
        click.echo(json.dumps(reply))


def print_results(
    replies: list[dict[str, Any]], as_json: bool, text: Callable[[dict[str, Any]], str]
) -> int:
    """Print the result of each process, and return the exit code: 1 if one refused."""
    if as_json:
        print_json(replies)
    else:
        for reply in replies:
            click.echo(f"{title(reply)}: {text(reply)}")
    return int(any(reply["outcome"] == "refused" for reply in replies))


def title(reply: dict[str, Any]) -> str:
    """Say which process a reply is from."""
    return f"process {reply['pid']}: {reply['process']}"
