"""The options that several commands share, and the settings made from them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from transfuse.cli.selection import TIMEOUT, selection_of
from transfuse.config.settings import Settings, read_settings
from transfuse.last_served.resumed import TAKE_WORDS
from transfuse.source.compiler import RELOAD_WORDS
from transfuse.source.suggestions import find_spec

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time, such as 90, 90s, 2m or 1h; it becomes seconds."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse what was typed."""
        if not isinstance(value, str):
            return float(value)
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", value.strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
        if not 0 < seconds < float("inf"):
            self.fail(f"{value!r} is no time, such as 90, 90s, 2m or 1h", param, ctx)
        return seconds


def live_options(command: _Command) -> _Command:
    """Add the options about live code: `roots`, `take`, `no_watch`, `policy`, `verbose`."""
    for option in reversed(
        [
            click.option(
                "--root",
                "roots",
                multiple=True,
                metavar="DIR",
                help="A folder of live source; repeatable.",
            ),
            click.option(
                "--from",
                "take",
                type=click.Choice(TAKE_WORDS),
                help="Serve the files, or the last served state.",
            ),
            click.option("--no-watch", is_flag=True, help="Update only on request."),
            click.option(
                "--policy",
                type=click.Choice(RELOAD_WORDS),
                metavar="WORD",
                help=f"The default: {', '.join(RELOAD_WORDS)}.",
            ),
            click.option("-v", "--verbose", is_flag=True, help="Show the plan of each update."),
        ]
    ):
        command = option(command)
    return command


def _note(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def note(context: click.Context, parameter: click.Parameter, value: Any) -> Any:  # noqa: ARG001
        setattr(selection_of(context), name, value)
        return value

    return note


timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT,
    metavar="S",
    expose_value=False,
    callback=_note("timeout"),
    help=f"Seconds to wait for an answer.  [{TIMEOUT:g}]",
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_note("as_json"),
    help="Print a line of JSON for each process.",
)


def process_options(command: _Command) -> _Command:
    """Add the options of commands that ask running processes: `pid`, `as_json`.

    The others (`--project`, `--all`, `--timeout`) write to the `Selection` of the command line.
    """
    for option in reversed(
        [
            click.option("--pid", type=int, metavar="N", help="Only this process, of any project."),
            click.option(
                "--project",
                metavar="DIR",
                expose_value=False,
                callback=_note("project"),
                help="The project in DIR; default: here.",
            ),
            click.option(
                "--all",
                "everything",
                is_flag=True,
                expose_value=False,
                callback=_note("everything"),
                help="The processes of all your projects.",
            ),
            timeout_option,
            json_option,
        ]
    ):
        command = option(command)
    return command


def settings_for(
    *,
    roots: Sequence[str],
    no_watch: bool,
    policy: str | None,
    place: str,
    module: str | None = None,
    handover: str | None = None,
    check: str | None = None,
) -> Settings:
    """Read the settings of file, environment and flags.

    Args:
        roots: the `--root` flags, relative to the working directory.
        no_watch: whether `--no-watch` was given; without it, file and environment say.
        policy: the `--policy` flag.
        place: where Python itself would look for the program's modules first. It becomes a root
            if no option names roots and those of the project do not have the target.
        module: the dotted name that is sought; None: a file in `place`.
        handover, check: the flags of these names.

    Raises:
        SettingsError, RootError: as `read_settings`.
    """

    def read(default_roots: list[str]) -> Settings:
        return read_settings(
            roots=list(roots) or None,
            watch=False if no_watch else None,
            policy=policy,
            handover=handover,
            check=check,
            default_roots=default_roots,
        )

    settings = read([])
    if module is not None and find_spec(module, settings.roots) is not None:
        return settings
    if module is None and os.path.exists(os.path.join(place, "__init__.py")):
        return settings  # a script inside of a package: its siblings have their names already
    return read([place])
