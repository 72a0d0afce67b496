"""Installs Transfuse in this process, and removes it.

`install` hands the settings to the core and puts the roots on `sys.path`; `uninstall` takes both
back. Code that needs an installed Transfuse calls `ensure_installed`, which installs with the
settings of project and environment if Transfuse is not installed yet.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from transfuse import _core, workers
from transfuse.config import native, project_files
from transfuse.config.logs import get_logger
from transfuse.config.project_files import LIVE, Project, live_settings
from transfuse.config.settings import KEYS, ModuleSettings, Settings, read_settings
from transfuse.errors import RootError, TransfuseError
from transfuse.registrations import log_handlers, log_levels
from transfuse.source import old_source
from transfuse.updates import import_context, participants, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from transfuse.last_served import resumed

_log = get_logger("transfuse")
# After so many seconds of reading the files at the start, it is said what takes so long.
_LONG = 3.0
# After so many seconds what is served is first kept, unless there is an update before: a short
# script has nothing to keep.
FIRST_KEPT = 5.0
# Held while Transfuse is being installed or uninstalled, so that of many threads one does it.
_changing = threading.RLock()
# The installed settings, or None. Written under _changing.
_settings: Settings | None = None
# The roots that `install` put on sys.path, such as ["/srv/shop"]; `uninstall` takes them off.
_added: list[str] = []
# Each undoes a change to foreign code; `uninstall` calls each once, the last one first.
_undo: list[Callable[[], None]] = []
# Each changes foreign code. Entries never leave; `install` calls each.
_adapters: list[Callable[[], None]] = []


def install(
    roots: Sequence[str | os.PathLike[str]] | None = None,
    *,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    gitignore: bool | None = None,
    watch: bool | None = None,
    poll: float | None = None,
    policy: str | None = None,
    modules: Mapping[str, ModuleSettings | Mapping[str, Any]] | None = None,
    keep: int | None = None,
    keep_deleted: bool | None = None,
    store: int | None = None,
    resident: int | None = None,
    time_limit: float | None = None,
    drain: float | None = None,
    together: bool | None = None,
    handover: str | None = None,
    check: str | None = None,
    remember: bool | None = None,
) -> None:
    """Make the Python source under `roots` live. None leaves a setting to file and environment.

    Args:
        roots: directories; default: the project directory, and its `src` if there is one.
        include: patterns of paths relative to a root; if given, only source that matches is live.
        exclude: patterns of paths relative to a root that are not live, such as ``"tests/*"``.
        gitignore: whether files that git ignores are left alone; default: true.
        watch: whether changes of files lead to updates by themselves; default: true.
        poll: seconds between two looks at the files, instead of the system's notification.
        policy: ``"overlay"`` (default), ``"fresh"``, ``"patch"`` or ``"never"``.
        modules: pattern of names to ``{"reload": policy, "preserve": [names], "thread": "main"}``.
        keep: how many former generations stay ready for a rollback; default: 3.
        keep_deleted: whether `overlay` keeps names that left the source; default: false.
        store: how many MiB of compressed source are kept; default: 64.
        resident: how many former generations may still be in use when another update begins; with
            more an update is refused, and tried again when one is over; default: 32.
        time_limit: seconds that the code of one update may run before it is refused; default: 600.
        drain: seconds after which WebSockets of a former generation are closed (with code 1012) and
            its streams are told to end; default: never.
        together: whether several workers of one server switch at one moment; default: true.
        handover: whether `transfuse serve` hands over to fresh processes by itself (``"auto"``),
            when it is asked to (``"ask"``), or ``"never"``; default: by itself if it watches.
        check: a function that must return before new code is served, ``"shop.smoke:check"``.
        remember: whether what is served is kept on disk, so that a rollback outlives the server;
            default: with `transfuse serve` and `transfuse run`.

    Raises:
        SettingsError: an unknown key or a senseless value, in whichever source.
        RootError: a root that is not a directory.
        TransfuseError: Transfuse is installed already, with other settings.
    """
    install_settings(read_settings(**locals()))


def install_settings(
    settings: Settings,
    taken_along: workers.Served | None = None,
    place: resumed.Place | None = None,
) -> None:
    """Do what `install` does, with settings that were read already.

    Args:
        settings: the settings.
        taken_along: the content that the former processes serve, unless other workers serve
            already; None: there are no former processes.
        place: the place of the last served state; None: as the setting `remember` says.
    """
    global _settings  # noqa: PLW0603 - there is one import system in a process
    with _changing:
        if _settings is not None and _core.installed():
            if settings == _settings:
                return
            raise TransfuseError(_difference(_settings, settings))
        native.refuse_unsupported()
        files = Project(settings, _apply)
        is_told = place is not None
        if place is None and settings.remember:
            place = _resumed().Place(" ".join(sys.orig_argv), has_flag=False)
        served = workers.to_serve(settings, taken_along)
        waiting.wait_in_others(served.waiting if served is not None else ())
        last = None if place is None else place.for_core(settings, served)
        _say_what_is_live(settings)
        with _saying_that_it_takes_long(settings.roots):
            told = _install_core(settings, files, served or workers.NOTHING, last)
        if place is not None and place.take == "last" and served is None and told is None:
            _core.uninstall()
            raise TransfuseError(f"--from last: nothing is kept of {place.label!r}")
        _settings = settings
        if place is not None:
            _resumed().note(told, place, settings)
        old_source.install()
        for root in reversed(settings.roots):
            if not _on_path(root):
                sys.path.insert(0, root)
                _added.append(root)
        import_context.install()
        on_uninstall(log_handlers.install())
        on_uninstall(log_levels.install())
        for adapt in _adapters:
            adapt()
        workers.begin(settings)
        if place is not None and not is_told:
            from transfuse.last_served import keeper  # noqa: PLC0415 - as `_resumed`

            keeper.begin(settings, place, FIRST_KEPT)


def _resumed() -> Any:
    # Not at the top of the file: most processes keep nothing on disk.
    from transfuse.last_served import resumed  # noqa: PLC0415

    return resumed


def _install_core(
    settings: Settings,
    files: Project,
    served: workers.Served,
    last: tuple[str, str, int | None] | None,
) -> Mapping[str, Any] | None:
    return _core.install(
        roots=settings.roots,
        include=settings.include,
        exclude=settings.exclude,
        gitignore=settings.gitignore,
        poll=settings.poll,
        store=settings.store,
        **live_settings(settings),
        report=partial(_deliver, settings.roots),
        stages=_notify,
        project=files.files,
        reconsider=files.reread,
        contents=served.contents,
        aside=served.aside,
        waiting=served.waiting,
        first=served.generation,
        last=last,
    )


# What only updates need is imported with the first one: many processes end without any.


def _deliver(roots: Sequence[str], told: Mapping[str, Any]) -> None:
    from transfuse.updates.api import deliver  # noqa: PLC0415

    deliver(roots, told)


def _notify(stage: str, generation: int) -> None:
    from transfuse.updates import trial  # noqa: PLC0415

    trial.take_part()
    participants.notify(stage, generation)


def _say_what_is_live(settings: Settings) -> None:
    """Name the roots that nothing has named: without `pyproject.toml`, the working directory."""
    if settings.origin is not None and settings.origin.guessed:
        roots = ", ".join(settings.roots)
        _log.warning(
            "there is no pyproject.toml, so all source in %s is live; name the roots, as in"
            " TRANSFUSE_ROOTS=src, if that is not meant",
            roots,
        )


@contextlib.contextmanager
def _saying_that_it_takes_long(roots: Sequence[str]) -> Iterator[None]:
    """Say after a while that the roots are still being read."""

    def say() -> None:
        _log.warning(
            "still reading the files in %s; name narrower roots, or exclude the large folders that"
            " have no source of yours",
            ", ".join(roots),
        )

    timer = threading.Timer(_LONG, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def uninstall() -> None:
    """Give imports back to Python. Modules stay loaded. Without `install`: do nothing."""
    global _settings  # noqa: PLW0603
    from transfuse.last_served import keeper, resumed  # noqa: PLC0415 - as `_resumed`
    from transfuse.updates import trial  # noqa: PLC0415

    with _changing:
        if _core.installed():
            _core.uninstall()
        keeper.end()
        resumed.forget()
        workers.leave()
        participants.unregister_all()
        trial.forget()
        project_files.require_restart(())
        old_source.uninstall()
        _settings = None
        while _undo:
            _undo.pop()()
        while _added:
            root = _added.pop()
            if root in sys.path:
                sys.path.remove(root)


def ensure_installed() -> None:
    """Install with the settings of project and environment, unless Transfuse is installed.

    Raises:
        SettingsError, RootError: as `install`.
    """
    if _core.installed():
        return
    with _changing:
        if not _core.installed():
            install_settings(read_settings())


def ensure_root(folder: str) -> None:
    """Make a directory a root; if Transfuse is installed already, it must lie under one.

    Args:
        folder: an absolute path.

    Raises:
        RootError: it is no directory, or lies under none of the roots.
        SettingsError: as `install`.
    """
    with _changing:
        settings = _settings if _core.installed() else None
        if settings is None:
            install_settings(read_settings(roots=[folder]))
            return
    if not os.path.isdir(folder):
        what = "is not a directory" if os.path.exists(folder) else "does not exist"
        raise RootError(f"{folder} {what}; name an existing directory")
    places = {folder, os.path.realpath(folder)}
    for root in settings.roots:
        for each in (root, os.path.realpath(root)):
            if any(os.path.commonpath([each, place]) == each for place in places):
                return
    raise RootError(
        f"{folder} lies under none of the roots that are installed, {', '.join(settings.roots)};"
        " name it among the roots, as in transfuse.install(roots=[..., folder])"
    )


def require_restart(names: Sequence[str]) -> None:
    """Have changes of these modules wait for a restart; settings and modules overrule it.

    Args:
        names: all such modules from now on, such as ``["shop.models"]``.
    """
    # Not under _changing: the updating thread calls this while another may uninstall and wait.
    if project_files.require_restart(names) and (now := _settings) is not None:
        _core.configure(**live_settings(now))


def on_install(adapt: Callable[[], None]) -> None:
    """Have each later `install` call `adapt`, which changes foreign code."""
    _adapters.append(adapt)


def stop_updating() -> None:
    """Let changes of files make no update from now on; an explicit one still does."""
    if (now := _settings) is not None and _core.installed():
        _core.configure(**{**live_settings(now), "watch": False})


def on_uninstall(undo: Callable[[], None]) -> None:
    """Have `uninstall` call `undo`, which takes back a change to foreign code."""
    _undo.append(undo)


def installed_settings() -> Settings | None:
    """Return the current settings, or None."""
    return _settings


def _apply(settings: Settings) -> None:
    """Apply those of these settings that can change; the core calls it when a file changed."""
    global _settings  # noqa: PLW0603
    _core.configure(**live_settings(settings))
    if (now := _settings) is not None:
        _settings = now._replace(**{key: getattr(settings, key) for key in LIVE})


def _on_path(root: str) -> bool:
    # The empty string stands for the working directory of the moment, so it does not count.
    return any(entry and os.path.abspath(entry) == root for entry in sys.path)


def _difference(now: Settings, wanted: Settings) -> str:
    differing = [
        f"{key} is {getattr(now, key)!r}, not {getattr(wanted, key)!r}"
        for key in KEYS
        if getattr(now, key) != getattr(wanted, key)
    ]
    return (
        f"Transfuse is installed already with other settings: {'; '.join(differing)};"
        " call transfuse.uninstall() first"
    )
