"""`transfuse completion`: have the shell complete commands, options and their values.

The scripts are made from the commands themselves, and start no Python at each key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

# The kind of a value to complete: one of some words, a directory, a file, a process, or nothing.
Kind = Literal["words", "directory", "file", "process", "nothing", "none"]
# Prints the process ids, for the option --pid.
_PROCESSES = "transfuse ps --quiet --timeout 1 2>/dev/null"


@dataclass(frozen=True)
class Option:
    """An option, or an argument (which has no names).

    Attributes:
        names: such as ``("-v", "--verbose")``.
        help: one line.
        kind: of its value; ``"none"`` if it takes none.
        words: those to choose from.
    """

    names: tuple[str, ...]
    help: str
    kind: Kind
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command and its options.

    Attributes:
        name: such as ``"status"``; empty for `transfuse` itself.
        help: one line.
        options: in the order of its help.
        argument: its first argument, or None.
    """

    name: str
    help: str
    options: tuple[Option, ...]
    argument: Option | None = None


_SAMPLES = """\b
Examples:
  transfuse completion fish > ~/.config/fish/completions/transfuse.fish
  eval "$(transfuse completion bash)"                      in ~/.bashrc
  eval "$(transfuse completion zsh)"                       in ~/.zshrc
"""


@click.command(epilog=_SAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that has SHELL complete what you type."""
    root = context.find_root()
    commands = described(cast("click.Group", root.command), root)
    click.echo({"bash": bash, "zsh": zsh, "fish": fish}[shell](commands), nl=False)


def described(group: click.Group, context: click.Context) -> list[Command]:
    """Return the group itself, and each of its commands."""
    found = [_described("", group, context)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            found.append(_described(name, command, click.Context(command, parent=context)))
    return found


def _described(name: str, command: click.Command, context: click.Context) -> Command:
    options: list[Option] = []
    argument: Option | None = None
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            if not parameter.hidden:
                names = (*parameter.opts, *parameter.secondary_opts)
                options.append(Option(names, parameter.help or "", *_value(parameter)))
        elif argument is None:
            kind, words = _value(parameter)
            # The words of a program are files, if anything.
            is_open = parameter.nargs == -1
            argument = Option((), parameter.name or "", "file" if is_open else kind, words)
    return Command(name, command.get_short_help_str(80), tuple(options), argument)


def _value(parameter: click.Parameter) -> tuple[Kind, tuple[str, ...]]:
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return "none", ()
    if isinstance(parameter.type, click.Choice):
        return "words", tuple(str(each) for each in parameter.type.choices)
    return _KINDS.get(parameter.metavar or "", _KINDS.get(parameter.name or "", "nothing")), ()


_KINDS: dict[str, Kind] = {"DIR": "directory", "pid": "process"}


def bash(commands: Sequence[Command]) -> str:
    """Return the script for bash."""
    top, *others = commands
    lines = [
        "# Made by: transfuse completion bash",
        "_transfuse() {",
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}",
        "    local command=${COMP_WORDS[1]}",
        "    # bash parts --root=src at the sign.",
        "    if [[ $word == = ]]; then",
        "        word=",
        "    elif [[ $before == = ]]; then",
        "        before=${COMP_WORDS[COMP_CWORD-2]}",
        "    fi",
        "    COMPREPLY=()",
        "    if ((COMP_CWORD == 1)); then",
        f"        {_bash_words([*(each.name for each in others), *_names(top.options)])}",
        "        return",
        "    fi",
        '    case "$command $before" in',
    ]
    for command in others:
        for option in command.options:
            if option.kind != "none":
                pattern = "|".join(f'"{command.name} {name}"' for name in option.names)
                lines.append(f"    {pattern}) {_bash_value(option)}; return ;;")
    lines += ["    esac", "    case $command in"]
    for command in others:
        value = _bash_value(command.argument) if command.argument else ":"
        lines += [
            f"    {command.name})",
            "        if [[ $word == -* ]]; then",
            f"            {_bash_words(_names(command.options))}",
            "        else",
            f"            {value}",
            "        fi ;;",
        ]
    return "\n".join([*lines, "    esac", "}", "complete -F _transfuse transfuse", ""])


def _names(options: Sequence[Option]) -> list[str]:
    return [name for option in options for name in option.names]


def _bash_words(words: Sequence[str]) -> str:
    return f'COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word"))'


def _bash_value(option: Option) -> str:
    files = 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -{} -- "$word")'
    return {
        "words": _bash_words(option.words),
        "directory": files.format("d"),
        "file": files.format("f"),
        "process": f'COMPREPLY=($(compgen -W "$({_PROCESSES})" -- "$word"))',
    }.get(option.kind, ":")


def zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh."""
    top, *others = commands
    lines = [
        "#compdef transfuse",
        "# Made by: transfuse completion zsh",
        "_transfuse_processes() {",
        f"    local -a pids=($({_PROCESSES}))",
        "    compadd -a pids",
        "}",
        "_transfuse() {",
        "    local curcontext=$curcontext state line",
        "    local -a commands=(",
        *(f"        {_single(each.name + ':' + each.help)}" for each in others),
        "    )",
        f"    _arguments -C {' '.join(_zsh_options(top))} \\",
        "        '1: :->command' '*:: :->words'",
        "    case $state in",
        "    command) _describe command commands ;;",
        "    words)",
        "        case $line[1] in",
    ]
    for command in others:
        lines.append(f"        {command.name}) _arguments \\")
        lines += [f"            {each} \\" for each in _zsh_options(command)]
        if command.argument:
            number = "*" if command.argument.kind == "file" else "1"
            lines.append(
                f"            '{number}:{command.argument.help}:{_zsh_value(command.argument)}' ;;"
            )
        else:
            lines[-1] = lines[-1].removesuffix(" \\") + " ;;"
    lines += [
        "        esac ;;",
        "    esac",
        "}",
        "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then",
        '    _transfuse "$@"',
        "else",
        "    compdef _transfuse transfuse",
        "fi",
        "",
    ]
    return "\n".join(lines)


def _zsh_options(command: Command) -> list[str]:
    found = []
    for option in command.options:
        text = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
        value = "" if option.kind == "none" else f":value:{_zsh_value(option)}"
        found += [_single(f"*{name}[{text}]{value}") for name in option.names]
    return found


def _zsh_value(option: Option) -> str:
    return {
        "words": f"({' '.join(option.words)})",
        "directory": "_files -/",
        "file": "_files",
        "process": "_transfuse_processes",
    }.get(option.kind, " ")


def fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    top, *others = commands
    lines = ["# Made by: transfuse completion fish", "complete -c transfuse -f"]
    for command in others:
        lines.append(
            f"complete -c transfuse -n __fish_use_subcommand -a {command.name}"
            f" -d {_single(command.help)}"
        )
    lines += _fish_options(top, "__fish_use_subcommand")
    for command in others:
        condition = _single(f"__fish_seen_subcommand_from {command.name}")
        lines += _fish_options(command, condition)
        if command.argument and command.argument.kind != "nothing":
            value = _fish_value(command.argument)
            lines.append(f"complete -c transfuse -n {condition}{value}")
    return "\n".join([*lines, ""])


def _fish_options(command: Command, condition: str) -> list[str]:
    found = []
    for option in command.options:
        names = "".join(
            f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
            for name in option.names
        )
        # -x: a value that is no file, unless it is one.
        takes = {"none": "", "file": " -r"}.get(option.kind, " -x")
        value = takes + _fish_value(option)
        found.append(
            f"complete -c transfuse -n {condition}{names} -d {_single(option.help)}{value}"
        )
    return found


def _fish_value(option: Option) -> str:
    return {
        "words": f" -a {_single(' '.join(option.words))}",
        "directory": " -a '(__fish_complete_directories)'",
        "file": " -F",
        "process": f" -a {_single('(' + _PROCESSES + ')')}",
    }.get(option.kind, "")


def _single(text: str) -> str:
    """Quote for a shell; fish takes what the others take, but for the quote itself."""
    return "'" + text.replace("'", "'\\''") + "'"
