"""How does a command end? The exit codes, and the output for an error.

`docs/command-line.md` has the table; a test compares it with this one.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from transfuse.cli.selection import selection, selection_of
from transfuse.cli.terminal import say
from transfuse.errors import NoAnswer, NoChoice, TransfuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

DONE, REFUSED, SENSELESS, SILENT, INTERRUPTED = 0, 1, 2, 3, 130

# Code -> its meaning, as the documentation has it.
MEANINGS = {
    DONE: "done",
    REFUSED: "a process refused, and serves the same as before",
    SENSELESS: "nothing was done, because the request makes no sense; a line says why",
    SILENT: "a process does not answer in time; others may have answered",
    INTERRUPTED: "Ctrl-C before there was anything to end",
}


def code_of(result: object, context: click.Context | None) -> int:
    """Return the code of a command that has returned.

    Args:
        result: its return value: a code, or anything else for `DONE`.
        context: its context.
    """
    code = result if isinstance(result, int) else DONE
    if code == DONE and context is not None:
        said = selection_of(context)
        return SILENT if said.silent else REFUSED if said.failed else DONE
    return code


def say_error(text: str) -> None:
    """Report the error of one process; the command goes on with the other processes."""
    if selection().as_json:
        print(json.dumps({"error": text, "code": REFUSED}), file=sys.stderr, flush=True)
    else:
        say(text)


def code_of_error(error: TransfuseError, arguments: Sequence[str]) -> int:
    """Say what is wrong, and return the code.

    Args:
        error: the exception that ended the command.
        arguments: the words of the command line.
    """
    code = SILENT if isinstance(error, NoAnswer) else SENSELESS
    text = str(error)
    if not text:
        return code  # it was said already
    if "--json" in arguments:
        said: dict[str, Any] = {"error": text.partition("\n")[0], "code": code}
        if isinstance(error, NoChoice):
            said["processes"] = list(error.lines)
        # Standard output has a line a process, and nothing else.
        print(json.dumps(said), file=sys.stderr, flush=True)
    else:
        say(text)
    return code
