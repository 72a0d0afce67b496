"""`transfuse rollback`: serve a former generation again."""

from __future__ import annotations

from typing import Any

import click

from transfuse.cli.client import answers_of_groups, print_results
from transfuse.cli.options import process_options


@click.command(epilog="Example:  transfuse rollback --pid 4242 --to 12")
@process_options
@click.option("--to", type=int, metavar="N", help="The generation; default: the one served before.")
def rollback(pid: int | None, as_json: bool, to: int | None) -> int:
    """Serve a former generation again.

    Its modules are used again; those already disposed of run again. The workers of one server do
    it together. The files stay as they are: the next save takes all that differs, so repair them
    first. Ends with code 1 if a process refused.
    """
    return print_results(answers_of_groups("rollback", pid, to=to), as_json, _text)


def _text(reply: dict[str, Any]) -> str:
    if "with" not in reply:
        return str(reply["text"])
    return f"as process {reply['with']}; serving generation {reply['generation']}"
