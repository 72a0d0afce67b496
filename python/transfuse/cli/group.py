"""Which commands are there?"""

from __future__ import annotations

import click

from transfuse.cli.accept import accept
from transfuse.cli.completion import completion
from transfuse.cli.confirm import confirm
from transfuse.cli.exit_codes import code_of
from transfuse.cli.handover import handover
from transfuse.cli.history import history
from transfuse.cli.leaks import leaks
from transfuse.cli.plan import plan
from transfuse.cli.ps import ps
from transfuse.cli.rollback import rollback
from transfuse.cli.run import run
from transfuse.cli.run_program import Program
from transfuse.cli.serve import serve
from transfuse.cli.status import status
from transfuse.cli.update import update
from transfuse.version import __version__


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example:  transfuse serve shop.web:app",
)
@click.version_option(__version__, prog_name="transfuse")
def transfuse() -> None:
    """New code into a running Python server, without a restart."""


@transfuse.result_callback()
@click.pass_context
def _end(context: click.Context, result: object) -> int | Program:
    return result if isinstance(result, Program) else code_of(result, context)


for command in (
    serve,
    run,
    ps,
    status,
    plan,
    update,
    confirm,
    rollback,
    accept,
    history,
    handover,
    leaks,
    completion,
):
    transfuse.add_command(command)
