"""`transfuse accept`: serve what a rollback has set aside."""

from __future__ import annotations

import os
from typing import Any

import click

from transfuse.cli.client import answers_of_groups, print_results
from transfuse.cli.options import process_options


@click.command(epilog="Example:  transfuse accept shop/val.py")
@process_options
@click.argument("files", nargs=-1, metavar="[FILE]...")
def accept(pid: int | None, as_json: bool, files: tuple[str, ...]) -> int:
    """Serve the content that a rollback has set aside, of these files or of all.

    'transfuse status' lists the files. If the update is refused they stay set aside, and the
    command ends with code 1.
    """
    paths = [os.path.abspath(file) for file in files]
    return print_results(answers_of_groups("accept", pid, paths=paths), as_json, _text)


def _text(reply: dict[str, Any]) -> str:
    if "with" not in reply:
        return str(reply["text"])
    return f"as process {reply['with']}; serving generation {reply['generation']}"
