"""Which commands are there?"""

from __future__ import annotations

import click

from transfuse.cli.handover import handover
from transfuse.cli.leaks import leaks
from transfuse.cli.plan import plan
from transfuse.cli.rollback import rollback
from transfuse.cli.run import run
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
    """New code into a running Python server, without a restart.

    Requests that are running finish on the code they began with, those that arrive next run the
    new code, and if the new code does not load, nothing changes.
    """


for command in (serve, run, status, plan, update, rollback, handover, leaks):
    transfuse.add_command(command)
