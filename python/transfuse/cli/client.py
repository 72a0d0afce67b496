"""Asks running processes, and prints their answers."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from transfuse.cli.exit_codes import say_error
from transfuse.cli.selection import meant, selection
from transfuse.cli.terminal import progress, say
from transfuse.control import processes
from transfuse.errors import NoAnswer, TransfuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transfuse.control.processes import Process

# The longest that a worker may take to follow another one, in seconds.
_PATIENCE = 30.0
# How many processes are asked at once.
_AT_ONCE = 16


def answers(what: str, pid: int | None, *, one: bool = False, **more: Any) -> list[dict[str, Any]]:
    """Ask each process that is meant, all at once, and return the replies by process id.

    Args:
        what: the question.
        pid: `--pid`.
        one: whether it is for one server, unless the options say for which.
        **more: arguments of the question.

    A process that does not answer, or that answers with an error, is reported and left out, and the
    exit code says so.

    Raises:
        NoAnswer: none of them answers.
        TransfuseError: none is meant, or the answers are errors.
    """
    found = meant(pid, one=one)
    with progress(f"asking {_named(found)}"):
        return [reply for _, reply in _asked(found, what, **more)]


def answers_of_groups(what: str, pid: int | None, **more: Any) -> list[dict[str, Any]]:
    """Ask one process of the server that is meant: its other workers do what it does.

    Returns:
        The replies of the processes that were asked, and the status of each other one once it has
        followed, with ``"with"``: the process that it followed; not of those that fresh processes
        have taken over from.

    What goes wrong in one server is reported, if others have done what was asked for.

    Raises:
        TransfuseError: no process has done it: they report errors, or do not answer.
    """
    wrong: list[tuple[Process, TransfuseError]] = []
    replies: list[dict[str, Any]] = []
    # Group -> the reply of one process of it; None if the request failed.
    asked: dict[str | None, dict[str, Any] | None] = {}
    # First the worker that can go back furthest: one that was started anew knows less.
    found = sorted(_asked(meant(pid, one=True), "status"), key=lambda pair: -len(pair[1]["kept"]))
    for process, before in found:
        group = before["group"]
        first = asked.get(group)
        reply = None
        try:
            if group is None or group not in asked:
                with progress(f"asking {process.name}"):
                    reply = asked[group] = ask(process, what, **more)
            elif first is not None and not first.get("by_fresh_processes"):
                with progress(f"waiting for {process.name}"):
                    reply = _followed(process, before, first)
        except TransfuseError as error:
            wrong.append((process, error))
            asked.setdefault(group)
        if reply is not None:
            replies.append(reply)
    if wrong and not replies:
        raise wrong[0][1]
    _report(wrong)
    return replies


def ask(process: Process, what: str, **more: Any) -> dict[str, Any]:
    """Ask one process; see `processes.ask`."""
    return processes.ask(process, what, within=selection().timeout, **more)


def _asked(found: Sequence[Process], what: str, **more: Any) -> list[tuple[Process, Any]]:
    """Ask all at once; report those that do not answer, unless none does."""

    def reply_of(process: Process) -> dict[str, Any] | TransfuseError:
        try:
            return processes.ask(process, what, within=limit, **more)
        except TransfuseError as error:
            return error

    limit = selection().timeout
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        replies = list(zip(found, pool.map(reply_of, found), strict=True))
    wrong = [(process, error) for process, error in replies if isinstance(error, TransfuseError)]
    told = [error for _, error in wrong if not isinstance(error, NoAnswer)]
    if len(wrong) == len(replies) and told:
        raise told[0]
    _report(wrong)
    if len(wrong) == len(replies):
        raise NoAnswer("")
    return [(process, reply) for process, reply in replies if not isinstance(reply, TransfuseError)]


def _report(wrong: Sequence[tuple[Process, TransfuseError]]) -> None:
    """Report the errors of these processes; others have answered."""
    for process, error in wrong:
        if isinstance(error, NoAnswer):
            report_silence(process, error)
        else:
            selection().failed = True
            say_error(f"{error} ({process.card.process})")


def report_silence(process: Process, error: NoAnswer) -> None:
    """Say that a process does not answer, and have the command end with code 3."""
    said = selection()
    # A process that ended while it was asked has left nothing to do.
    said.silent = True
    if said.as_json:
        print_json(
            [
                {
                    "pid": process.pid or None,
                    "process": process.card.process,
                    "project": process.card.project,
                    "state": error.state,
                    "error": str(error),
                }
            ]
        )
    say(f"{error} ({process.card.process})")


def _followed(process: Process, before: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """Wait until a process serves something else than before, if the one that was asked does."""
    outcome = first["outcome"]
    deadline = time.monotonic() + _PATIENCE
    while True:
        now = ask(process, "status", timeout=selection().timeout)
        stays = outcome not in ("published", "rolled back")
        if stays or now["generation"] != before["generation"]:
            return {**now, "outcome": outcome, "with": first["pid"]}
        if time.monotonic() > deadline:
            raise TransfuseError(
                f"{process.name} still serves generation {now['generation']}, while another"
                f" worker of its server does not; see its log"
            )
        # Polls until the deadline: only the process that was asked answers when it has published.
        time.sleep(0.02)


def _named(found: Sequence[Process]) -> str:
    return found[0].name if len(found) == 1 else f"{len(found)} processes"


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
    who = "process of another container" if reply["pid"] is None else f"process {reply['pid']}"
    return f"{who}: {reply['process']}"
