"""Which running processes does a command mean?

Those of this project, unless `--pid`, `--project` or `--all` says otherwise. A command that changes
what is served means one server; with several it asks at a terminal, and elsewhere names them and
gives up. The workers of one server count as one.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from transfuse.control import processes
from transfuse.control.places import project_of
from transfuse.errors import NoChoice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transfuse.control.processes import Process

# Seconds in which a process must show that it can answer, unless --timeout says otherwise.
TIMEOUT = 5.0
_KEY = "transfuse.selection"


@dataclass
class Selection:
    """The choice by the options, which write here as they are parsed.

    Attributes:
        project: `--project`: a folder in it; None: the working directory.
        everything: `--all`.
        timeout: `--timeout`.
        as_json: `--json`.
        silent: whether a process did not answer, which the exit code tells in the end.
        failed: whether a process answered with an error, while others did what was asked for.
    """

    project: str | None = None
    everything: bool = False
    timeout: float = TIMEOUT
    as_json: bool = False
    silent: bool = False
    failed: bool = False


def selection() -> Selection:
    """Return what the options of this command line say."""
    context = click.get_current_context(silent=True)
    return Selection() if context is None else selection_of(context)


def selection_of(context: click.Context) -> Selection:
    """Return the same, for a context."""
    found: Selection = context.meta.setdefault(_KEY, Selection())
    return found


def meant(pid: int | None, *, one: bool = False) -> list[Process]:
    """Return the processes that the command means, in the order of their ids.

    Args:
        pid: `--pid`: a process, or the parent of workers; None: the other options choose.
        one: whether the command is for one server, unless the options say for which.

    Raises:
        NoChoice: there is none, or the command is for one server and there are several.
    """
    said = selection()
    running = processes.processes()
    if not running:
        raise NoChoice(
            "no process of yours is served by Transfuse; start one by 'transfuse serve' or"
            " 'transfuse run'"
        )
    if pid is not None:
        return _by_id(running, pid)
    if said.everything:
        return running
    folder = Path(os.path.realpath(said.project or os.getcwd()))
    if not folder.is_dir():
        raise NoChoice(f"--project {said.project}: there is no such directory")
    project = project_of(folder)
    found = [process for process in running if process.card.is_of(project)]
    if not found:
        raise NoChoice(
            f"no process of the project {project} is served by Transfuse; those of other projects,"
            " for --pid, --project or --all:",
            [line_of(server) for server in servers(running)],
        )
    if one and said.project is None and len(of := servers(found)) > 1:
        return _chosen(of, project)
    return found


def servers(running: Iterable[Process]) -> list[list[Process]]:
    """Put the workers of each server together."""
    found: dict[str, list[Process]] = {}
    for process in running:
        found.setdefault(process.card.server, []).append(process)
    return list(found.values())


def line_of(server: Sequence[Process]) -> str:
    """Return a line that names the processes of a server: ``"4242  serve web:app  in /srv"``."""
    numbers = ", ".join(str(process.pid or process.name) for process in server)
    first = server[0].card
    return f"{numbers}  {first.process}  in {first.project}"


def _by_id(running: list[Process], pid: int) -> list[Process]:
    found = [process for process in running if process.pid == pid]
    # The process that the shell has started may be the parent of the workers.
    found = found or [
        process for process in running if process.card.is_near and process.card.parent == pid
    ]
    if not found:
        raise NoChoice(
            f"no process {pid} of yours is served by Transfuse; there are:",
            [line_of(server) for server in servers(running)],
        )
    return found


def _chosen(of: list[list[Process]], project: Path) -> list[Process]:
    """Ask at a terminal which server is meant."""
    lines = [line_of(server) for server in of]
    if selection().as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoChoice(
            f"{len(of)} servers of the project {project} are running, and this is for one; say"
            f" --pid N, or --project {_quoted(project)} for each of them:",
            lines,
        )
    for number, line in enumerate(lines, 1):
        click.echo(f"{number}  {line}", err=True)
    answer: int = click.prompt("which", type=click.IntRange(1, len(of)), err=True)
    return of[answer - 1]


def _quoted(project: Path) -> str:
    return "." if project == Path.cwd().resolve() else str(project)
