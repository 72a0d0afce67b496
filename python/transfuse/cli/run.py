"""`transfuse run`: any Python program, with live modules."""

from __future__ import annotations

import click

from transfuse.cli.options import live_options, settings_for
from transfuse.cli.run_program import Program, place_of


class _Verbatim(click.Command):
    """Leaves all words after the module or script to the program, options too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = _end_of_ours(args)
        return super().parse_args(ctx, [*args[:at], "--", *args[at:]])


def own_words(words: list[str]) -> list[str]:
    """Return the words of a command line without those of the program that it runs."""
    if words[:1] != ["run"]:
        return words
    return words[: 1 + _end_of_ours(words[1:])]


def _end_of_ours(args: list[str]) -> int:
    index = 0
    while index < len(args):
        word = args[index]
        if word == "--":
            del args[index]
            return index
        if word == "-m":
            return index + 2
        if word.startswith("-m"):
            return index + 1
        if not word.startswith("-"):
            return index
        index += 2 if word in ("--root", "--policy", "--from") else 1
    return index


@click.command(
    cls=_Verbatim,
    epilog="Example:  transfuse run --root src -m shop.worker --queue mail",
    options_metavar="[OPTIONS] (-m MODULE | SCRIPT)",
)
@live_options
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON.")
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m does.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run(
    *,
    roots: tuple[str, ...],
    take: str | None,
    no_watch: bool,
    policy: str | None,
    verbose: bool,
    as_json: bool,
    module: str | None,
    arguments: tuple[str, ...],
) -> Program:
    """Run a Python program whose modules take edits while it runs.

    Like `python SCRIPT` and `python -m MODULE`. Without --root the project directory is live, or
    where there is none, the directory of the script, or the working directory for a module.
    """
    script = None
    if module is None:
        if not arguments:
            raise click.UsageError("say what to run: -m MODULE, or a SCRIPT")
        script, arguments = arguments[0], arguments[1:]
    settings = settings_for(
        roots=roots,
        no_watch=no_watch,
        policy=policy,
        place=place_of(script),
        module=module,
    )
    program = Program(module, script, arguments, settings, verbose, as_json, take or "default")
    program.check()
    return program
