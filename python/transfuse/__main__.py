"""`python -m transfuse`, and the command `transfuse`: into the command line, and out with a code.

`transfuse.cli.exit_codes` has the codes.
"""

from __future__ import annotations

import sys

# First: it notes the loaded modules before the command line loads its own.
from transfuse.cli import restore_process


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: those after the command's name; default: those of the process.
    """
    try:
        _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # Also while its own modules are imported.
        print("\ntransfuse: ended by Ctrl-C", file=sys.stderr)
        sys.exit(130)


def _run(words: list[str]) -> None:
    try:
        import click  # noqa: PLC0415 - the package itself must do without
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit(
            _refuse(
                "the command line needs click and Granian; install Transfuse with its extra 'serve'"
            )
        )
    from transfuse.cli import exit_codes  # noqa: PLC0415
    from transfuse.cli.group import transfuse  # noqa: PLC0415
    from transfuse.cli.run import own_words  # noqa: PLC0415
    from transfuse.cli.run_program import Program  # noqa: PLC0415
    from transfuse.errors import TransfuseError  # noqa: PLC0415

    try:
        result = transfuse.main(words, prog_name="transfuse", standalone_mode=False)
        if isinstance(result, Program):
            result.begin()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None
    except TransfuseError as error:
        sys.exit(exit_codes.code_of_error(error, own_words(words)))
    if isinstance(result, Program):
        # Here, so that the user's program does not run inside of ours.
        result.run(restore_process.no_trace)
    sys.exit(result if isinstance(result, int) else 0)


def _refuse(line: str) -> int:
    print(f"transfuse: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
