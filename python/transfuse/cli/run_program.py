"""How does a user's program run as Python itself would run it?

`sys.argv`, `sys.path[0]`, `__main__`, exit codes and signals are as with `python script.py` and
`python -m module`; only its imports are live.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from transfuse.cli.events import tell_end, tell_running, tell_update
from transfuse.cli.exit_codes import INTERRUPTED
from transfuse.cli.progress import show_steps
from transfuse.cli.terminal import progress, show_log
from transfuse.control import unix_socket
from transfuse.errors import TargetError
from transfuse.frameworks import plain_tasks
from transfuse.last_served import keeper
from transfuse.last_served.resumed import Place
from transfuse.process.install import FIRST_KEPT, install_settings
from transfuse.source.suggestions import find_spec, nearest_module
from transfuse.source.tracebacks import user_traceback
from transfuse.updates import api

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.config.settings import Settings


@dataclass(frozen=True)
class Program:
    """A program that is ready to run.

    Attributes:
        module: its dotted name, or None if it is a script.
        script: the script's path, or None if it is a module.
        arguments: those after it on the command line.
        settings: to install.
        verbose: whether the plan of each update is shown.
        as_json: whether events are written to stdout, a line of JSON each.
        take: the state to begin with, as `last_served.Place` has it.
    """

    module: str | None
    script: str | None
    arguments: tuple[str, ...]
    settings: Settings
    verbose: bool
    as_json: bool = False
    take: str = "default"

    def check(self) -> None:
        """Raise TargetError if there is no such module or script."""
        if self.script is not None:
            if not os.path.exists(self.script):
                raise TargetError(f"there is no file {self.script}; for a module, say -m")
            return
        assert self.module is not None
        search = [place_of(self.script), *self.settings.roots, *sys.path]
        if find_spec(self.module, search) is None:
            near = nearest_module(self.module, search)
            hint = f"; did you mean {near!r}?" if near else ""
            raise TargetError(f"there is no module {self.module!r}{hint}")

    @property
    def _last_served(self) -> Place | None:
        """Where is kept what this program served last; None if that is not wanted."""
        program = os.path.abspath(self.script) if self.script else f"-m {self.module}"
        label = " ".join(["run", program, *self.arguments])
        return Place.wanted(self.settings, label, self.take)

    def begin(self) -> None:
        """Make its modules live.

        Raises:
            TransfuseError: that is impossible.
        """
        show_log(verbose=self.verbose)
        show_steps()
        place = place_of(self.script)
        if place not in sys.path:
            sys.path.insert(0, place)
        with progress("looking at the source"):
            install_settings(self.settings, place=self._last_served)
        api.on_update(plain_tasks.tell)
        # In front of the roots, as Python has it.
        sys.path.remove(place)
        sys.path.insert(0, place)
        name = self.script or f"-m {self.module}"
        unix_socket.serve(f"run {name}")
        if self._last_served is not None:
            keeper.begin(self.settings, self._last_served, FIRST_KEPT)
        if self.as_json:
            api.on_update(tell_update)
            tell_running(name, api.status())

    def run(self, leave: Callable[[], None] = lambda: None) -> None:
        """Run it, after `begin`. On an exception other than SystemExit, exit as Python would.

        Args:
            leave: called when the command line has done its own work, before the program begins.
        """
        leave()
        sys.argv[:] = [self.script or str(self.module), *self.arguments]
        try:
            self._execute()
        except SystemExit as error:
            self._tell_end(_code_of(error))
            raise
        self._tell_end(0)

    def _execute(self) -> None:
        try:
            if self.script is not None:
                runpy.run_path(self.script, run_name="__main__")
            else:
                runpy.run_module(str(self.module), run_name="__main__", alter_sys=True)
        except KeyboardInterrupt as error:
            print(user_traceback(error), end="", file=sys.stderr, flush=True)
            self._tell_end(INTERRUPTED)
            _die_of_interrupt()
        except Exception as error:
            print(user_traceback(error), end="", file=sys.stderr, flush=True)
            sys.exit(1)

    def _tell_end(self, code: int) -> None:
        if self.as_json:
            tell_end(code)


def _code_of(error: SystemExit) -> int:
    """Return the code that Python ends with."""
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


def place_of(script: str | None) -> str:
    """Return Python's first entry of `sys.path`: a script's directory, or the working one."""
    return os.path.dirname(os.path.realpath(script)) if script else os.getcwd()


def _die_of_interrupt() -> NoReturn:
    # A shell tells a program that was interrupted from one that failed by how it ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    sys.exit(INTERRUPTED)
