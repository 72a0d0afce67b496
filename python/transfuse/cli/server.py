"""How is Granian started, and which code do its workers load?

The parent never imports the user's code: each worker installs Transfuse and loads the target by
itself. If a worker cannot, it leaves the reason in a file, and the parent ends with that reason
and code 2.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.cli.ending import Ending, WorkerSignals, is_ending, start_undisturbed
from transfuse.cli.events import tell_serving, tell_update
from transfuse.cli.listening import BACKLOG, listen
from transfuse.cli.progress import show_steps
from transfuse.cli.team_place import Place
from transfuse.cli.team_settings import settings_of_team
from transfuse.cli.terminal import progress, say, show_log
from transfuse.control import unix_socket
from transfuse.errors import TransfuseError
from transfuse.handover.parent import name_of_team, taken_along
from transfuse.last_served import keeper, resumed
from transfuse.process.imports import import_module
from transfuse.process.install import install_settings, installed_settings
from transfuse.servers.asgi import asgi
from transfuse.servers.wsgi import wsgi
from transfuse.source.tracebacks import headline, user_traceback
from transfuse.updates import api
from transfuse.updates.api import status

if TYPE_CHECKING:
    import socket

    from transfuse.config.settings import Settings
    from transfuse.handover.member import Member


# Seconds that running requests have upon SIGTERM: less than the ten after which Docker kills.
STOP_WITHIN = 8.0


@dataclass(frozen=True)
class Serving:
    """An application to serve, and how.

    Attributes:
        target: such as ``"shop.web:app"``.
        interface: ``"asgi"`` or ``"wsgi"``.
        host, port: where to listen.
        workers: how many processes.
        threads: how many threads run a WSGI application, in each process.
        settings: to install.
        verbose: whether the plan of each update, and Granian's log, is shown.
        stop_within: seconds that running requests have upon SIGTERM.
        as_json: whether events are written to stdout, a line of JSON each.
        take: the state to begin with, as `last_served.Place` has it.
    """

    target: str
    interface: str
    host: str
    port: int
    workers: int
    threads: int
    settings: Settings
    verbose: bool
    stop_within: float = STOP_WITHIN
    as_json: bool = False
    take: str = "default"

    @property
    def address(self) -> str:
        """The URL, such as ``"http://127.0.0.1:8000"``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def label(self) -> str:
        """Return the label of this server, for the folder of its served state."""
        return f"serve {self.target} at {self.address}"


@dataclass(frozen=True)
class Loader:
    """Loads the application in a worker; it travels to the worker by pickle.

    Attributes:
        serving: the application to serve.
        folder: of this server alone, for the time that it runs.
        listener: the descriptor at which all workers accept; None if each has its own.
        team: the number of the worker's team: see `transfuse.handover`.
    """

    serving: Serving
    folder: str
    listener: int | None = None
    team: int = 0

    @property
    def failure(self) -> str:
        """A file that does not exist; the first worker that cannot load makes it."""
        return os.path.join(self.folder, "failure")

    def of_team(self, team: int) -> Loader:
        """Return what loads it in the workers of another team."""
        return replace(self, team=team)

    def in_place(self) -> Loader:
        """Return what loads it in a worker in place of one that has ended."""
        return replace(self, serving=replace(self.serving, take=resumed.IN_PLACE))

    @property
    def last_served(self) -> resumed.Place | None:
        """Where is kept what was served last; None if that is not wanted."""
        serving = self.serving
        return resumed.Place.wanted(
            serving.settings,
            serving.label,
            serving.take,
            tells=self._is_first,
            by=name_of_team(self.folder, self.team),
            spare=os.path.join(self.folder, "served"),
        )

    def _is_first(self, what: str) -> bool:
        """Whether no other worker of this server has told that; one in place of another does."""
        if what == "start" and self.serving.take == resumed.IN_PLACE:
            return True
        path = os.path.join(self.folder, f"told.{what}")
        with contextlib.suppress(FileExistsError), open(path, "x"):
            return True
        return False

    def __call__(self) -> Any:
        """Install, load, and return the application; end the process if that is impossible."""
        # The parent's handlers would swallow a signal to a worker that is still loading.
        signals = WorkerSignals()
        signals.listen()
        serving = self.serving
        show_log(verbose=serving.verbose)
        show_steps()
        place = None
        if self.listener is not None:
            place = Place(
                self.folder,
                self.listener,
                self.team,
                serving.stop_within,
                refuse=self._refuse,
                announce=self._announce,
                retired=signals.retired,
            )
        member = None if place is None else place.enter()
        module = serving.target.partition(":")[0]
        try:
            with progress(f"loading {serving.target}"):
                former = None if place is None else place.taken_along
                install_settings(self._settings(), former, self.last_served)
                if serving.take == resumed.IN_PLACE:
                    _core.read_project()
                application = (asgi if serving.interface == "asgi" else wsgi)(serving.target)
                for module in () if place is None else place.unvetted():
                    import_module(module)
        except TransfuseError as error:
            self._fail(member, str(error))
        except BaseException as error:
            line = f"{module} cannot be loaded: {headline(error)}"
            self._fail(member, line, user_traceback(error))
        signals.ready()
        unix_socket.serve(serving.label)
        if place is None:
            self._announce()
        elif not place.take_up(application, serving.interface):
            os._exit(2)
        return application

    def _announce(self) -> None:
        now, serving = status(), self.serving
        if serving.as_json:
            api.on_update(tell_update)
            tell_serving(serving.target, serving.interface, serving.address, now)
        watching = {"off": "not watching", "polling": "polling"}.get(now.watching, "watching")
        say(
            f"serving {serving.target} ({serving.interface.upper()}) at {serving.address},"
            f" process {os.getpid()}; {watching} {', '.join(now.roots)};"
            f" generation {now.generation}",
            "bold",
        )
        self._keep()

    def _keep(self) -> None:
        """Keep what is served from now on, and try what was refused before this process started."""
        settings, place = installed_settings(), self.last_served
        if place is not None and settings is not None:
            keeper.begin(settings, place, tried=self._drop_taken_along)
        else:
            self._drop_taken_along()
        began = resumed.here()
        if began is not None and began.has_refused:
            _core.retry()

    def _drop_taken_along(self) -> None:
        """Remove what the team took along: replacements now begin with the files on disk."""
        with contextlib.suppress(OSError):
            os.unlink(taken_along(self.folder, self.team))

    def _settings(self) -> Settings:
        """Return the settings of this process's team."""
        origin = self.serving.settings.origin
        if not self.team or origin is None:
            return self.serving.settings
        return settings_of_team(self.folder, self.team, origin)

    def _refuse(self, member: Member | None, error: BaseException) -> None:
        self._tell(member, f"the check failed: {headline(error)}", user_traceback(error))

    def _fail(self, member: Member | None, line: str, trace: str = "") -> None:
        self._tell(member, line, trace)
        # Granian ends all workers when one has ended.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)

    def _tell(self, member: Member | None, line: str, trace: str) -> None:
        """Leave the reason why this worker cannot serve."""
        is_in_place = self.serving.take == resumed.IN_PLACE
        if member is not None and self.team and not is_in_place:
            member.fails(line, trace)
            return
        began = resumed.here()
        if began is not None and began.advice:
            line = f"{line}; {began.advice}"
        with (
            contextlib.suppress(FileExistsError),
            open(self.failure, "x", encoding="utf-8") as file,
        ):
            file.write(f"{trace}transfuse: {line}\n")


class NotInVain(logging.Filter):
    """Drops Granian's messages about workers whose end was reported, or asked for."""

    def __init__(self, failure: str) -> None:
        super().__init__()
        self.failure = failure

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the base's signature
        """Whether to keep a record."""
        return not is_ending() and not os.path.exists(self.failure)


def start(serving: Serving) -> int:
    """Serve until the process is ended.

    Returns:
        The exit code: 0 after an ordinary end, 2 if the target cannot be loaded.

    Raises:
        TransfuseError: Granian is missing.
    """
    try:
        import granian  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        raise TransfuseError(
            f"transfuse serve needs {error.name}; install Transfuse with its extra 'serve'"
        ) from None
    place = tempfile.TemporaryDirectory(prefix="transfuse-")
    ending = Ending(serving.stop_within, place.cleanup, as_json=serving.as_json)
    ending.listen()
    with place as folder:
        listener = listen(serving.host, serving.port)
        ending.stop_listening = listener.close
        server, loader = _server(serving, folder, listener)
        # A server without handovers has no turn to wait for.
        ending.let_finish = getattr(server, "let_finish", ending.let_finish)
        start_undisturbed(server)
        # Granian sets its handlers as it starts.
        handlers = {"interrupt": ending.end, "reload": ending.update}
        for name, handler in handlers.items():
            setattr(server, f"signal_handler_{name}", handler)
        code = 0
        try:
            server.serve(target_loader=loader, wrap_loader=False)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        if os.path.exists(loader.failure):
            with open(loader.failure, encoding="utf-8") as file:
                sys.stderr.write(file.read())
            code = 2
    return code


def _server(serving: Serving, folder: str, listener: socket.socket) -> tuple[Any, Loader]:
    """Return Granian's server, ready to serve, and the loader of its workers' application."""
    import granian  # noqa: PLC0415
    from granian._granian import BUILD_GIL  # noqa: PLC0415
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    from transfuse.cli.team_server import TeamServer  # noqa: PLC0415

    is_wsgi = serving.interface == "wsgi"
    loader = Loader(serving, folder, listener.fileno())
    options: dict[str, Any] = {
        "address": serving.host,
        "port": serving.port,
        "backlog": BACKLOG,
        "interface": Interfaces.WSGI if is_wsgi else Interfaces.ASGI,
        "workers": serving.workers,
        # A killed worker is replaced, and serves the same view as the others. Granian gives up on
        # a worker that ends again at once.
        "respawn_failed_workers": True,
        "blocking_threads": serving.threads if is_wsgi else None,
        "log_level": LogLevels.info if serving.verbose else LogLevels.error,
        "log_dictconfig": _granian_logging(loader.failure),
    }
    if not BUILD_GIL:
        # Workers are threads, of which no second team can be fresh, and each listens by itself.
        listener.close()
        return granian.Granian(serving.target, **options), Loader(serving, folder)
    limit = serving.settings.time_limit
    server = TeamServer(serving.target, listener=listener, loader=loader, limit=limit, **options)
    return server, loader


def _granian_logging(failure: str) -> dict[str, Any]:
    """Return a configuration that sends Granian's log to stderr through `NotInVain`."""
    stream = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    return {
        "filters": {"not in vain": {"()": NotInVain, "failure": failure}},
        "handlers": {
            "console": {**stream, "formatter": "generic", "filters": ["not in vain"]},
            "access": {**stream, "formatter": "access"},
        },
    }
