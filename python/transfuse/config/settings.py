"""Which settings hold, and where do they come from?

The one place for defaults, files and environment. Sources in order, a later one wins: the table
`[tool.transfuse]` of the `pyproject.toml` found upward from the working directory, `TRANSFUSE_*`
in the `.env` beside it, the same in the environment, the arguments of the call or the flags.
`checks` has the check of each raw value; the mechanism in the core gets explicit arguments only.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse.config.checks import CHECKS, ENVIRONMENT, ModuleSettings
from transfuse.errors import RootError, SettingsError
from transfuse.source.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ModuleSettings", "Settings", "find_project", "read_settings"]


class Origin(NamedTuple):
    """Where settings were read from, so that they can be read again.

    Attributes:
        start: where the search for `pyproject.toml` began.
        project: the `pyproject.toml`, or where one would be.
        given: the arguments of the call, by the names of `Settings`.
        default_roots: as `read_settings` takes them.
        guessed: whether `start` is the root because nothing names one.
    """

    start: Path
    project: Path
    given: Mapping[str, Any]
    default_roots: tuple[str, ...]
    guessed: bool = False

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.project.parent

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that settings are read from, there or not."""
        return (self.project, self.folder / ".env")


class Settings(NamedTuple):
    """Everything that can be set, checked and complete.

    Attributes:
        roots: absolute directories whose Python source is live, such as ``("/srv/shop",)``.
        include: patterns of paths relative to a root, such as ``("shop/**",)``; if there are any,
            only source that matches one is live.
        exclude: patterns of paths relative to a root that are not live, such as ``("tests/*",)``.
        gitignore: whether source that git ignores is left alone.
        watch: whether changes of files lead to updates by themselves.
        poll: seconds between two looks at the files, or None for the system's own notification.
        policy: that of modules for which neither the module itself nor `modules` names one.
        modules: pattern of module names, such as ``"shop.legacy.*"``, to their settings.
        keep: how many former generations stay ready for a rollback.
        keep_deleted: whether `overlay` keeps names that the new source does not define any more.
        store: how many MiB of compressed source are kept, in memory for the generations in use, and
            on disk for the next process.
        resident: how many former generations may still be in use when another update begins.
        time_limit: seconds that the code of one update may run.
        together: whether several workers of one server switch at one moment, or each by itself.
        drain: seconds after which connections of a former generation are told to end; None: never.
        handover: whether `transfuse serve` hands over to fresh processes by itself (``"auto"``),
            when it is asked to (``"ask"``), or ``"never"``; None: by itself if it watches.
        check: a function that must return before new code is served, such as
            ``"shop.smoke:check"``; None: there is none.
        remember: whether what is served is kept on disk, so that it outlives the process; None:
            with `transfuse serve` and `transfuse run`.
        origin: where these settings were read; None if a test made them.
    """

    roots: tuple[str, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    gitignore: bool = True
    watch: bool = True
    poll: float | None = None
    policy: str = "overlay"
    modules: Mapping[str, ModuleSettings] = MappingProxyType({})
    keep: int = 3
    keep_deleted: bool = False
    store: int = 64
    resident: int = 32
    time_limit: float = 600.0
    drain: float | None = None
    together: bool = True
    handover: str | None = None
    check: str | None = None
    remember: bool | None = None
    origin: Origin | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Settings):
            return NotImplemented
        return all(getattr(self, key) == getattr(other, key) for key in KEYS)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.roots)


# The names of all that can be set.
KEYS = tuple(name for name in Settings._fields if name != "origin")
_ENV_PREFIX = "TRANSFUSE_"


def read_settings(
    *,
    start: Path | None = None,
    environ: Mapping[str, str] | None = None,
    default_roots: Sequence[str | os.PathLike[str]] = (),
    origin: Origin | None = None,
    **given: Any,
) -> Settings:
    """Read all sources and return the settings.

    Args:
        start: where the search for `pyproject.toml` begins; default: the working directory.
        environ: the environment; default: `os.environ`.
        default_roots: if no source names roots, these join those of the project; where there is no
            project they are the roots; default: `start`.
        origin: read again what was read there; all else but `environ` is left out then.
        **given: values of the call, by the names of `Settings`; None means not given.

    Raises:
        SettingsError: an unknown key, or a value of the wrong type or out of range.
        RootError: a root that is not a directory.
    """
    if origin is None:
        start = (start or Path.cwd()).resolve()
        project = find_project(start) or start / "pyproject.toml"
        roots = tuple(os.fspath(each) for each in default_roots)
        origin = Origin(start, project, given, roots)
    start, project = origin.start, origin.project
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for source in (
        _from_project(project),
        _from_dotenv(origin),
        _from_environment(environ, start),
        _from_call(origin.given, start),
    ):
        # Patterns of modules add up; everything else replaces.
        modules = {**values.get("modules", {}), **source.get("modules", {})}
        values = {**values, **source, "modules": modules}
    if not values.get("roots"):
        values["roots"] = _default_roots(project, start, origin.default_roots)
        guessed = not project.is_file() and not origin.default_roots
        origin = origin._replace(guessed=guessed)
    for root in values["roots"]:
        if not os.path.isdir(root):
            what = "is not a directory" if os.path.exists(root) else "does not exist"
            raise RootError(f"root {root} {what}; name an existing directory")
    return Settings(**values, origin=origin)


def find_project(start: Path) -> Path | None:
    """Return the `pyproject.toml` in `start` or the nearest directory above it, or None."""
    for directory in (start, *start.parents):
        candidate = directory / "pyproject.toml"
        if candidate.is_file():
            return candidate
    return None


def _default_roots(project: Path, start: Path, more: Sequence[str]) -> tuple[str, ...]:
    places = [project.parent, project.parent / "src"] if project.is_file() else []
    places = [each for each in places if each.is_dir()]
    places += [start / each for each in more]
    return tuple(dict.fromkeys(os.path.abspath(each) for each in places or [start]))


def _from_project(project: Path) -> dict[str, Any]:
    try:
        table = read_toml(project, "transfuse").get("tool", {}).get("transfuse", {})
    except AttributeError as error:
        raise SettingsError(f"{project} is not valid TOML: {error}") from error
    if not isinstance(table, dict):
        raise SettingsError(f"{project}: tool.transfuse must be a table, not {table!r}")
    where = f"{project}, [tool.transfuse]"
    return dict(_checked(table, where=where, base=project.parent))


def read_toml(project: Path, about: str) -> dict[str, Any]:
    """Return the content of `pyproject.toml`, if it has the word `about` in it; else nothing.

    Raises:
        SettingsError: it cannot be read, or makes no sense.
    """
    return parse_toml(project, text_of(project), about)


def text_of(project: Path) -> str:
    """Return the text of `pyproject.toml`; empty if there is none.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return project.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{project} cannot be read: {error}") from error


def parse_toml(project: Path, text: str, about: str) -> dict[str, Any]:
    """Do what `read_toml` does, with a text that was read already."""
    if about not in text:
        return {}
    toml = _toml_reader()
    if toml is None:
        if "[tool.transfuse" not in text:
            return {}
        raise SettingsError(
            f"{project} has a table [tool.transfuse], which Python 3.10 cannot read by itself;"
            " pip install tomli"
        )
    try:
        read: dict[str, Any] = toml.loads(text)
    except ValueError as error:
        raise SettingsError(f"{project} is not valid TOML: {error}") from error
    return read


def _toml_reader() -> Any:
    """Return `tomllib`, which is new in Python 3.11, or `tomli`, or None."""
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return None


def _from_dotenv(origin: Origin) -> dict[str, Any]:
    path = origin.folder / ".env"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    # Here and not above: most projects have no such file.
    from transfuse.config import dotenv  # noqa: PLC0415

    return _from_environment(dotenv.parse(text), origin.folder, str(path))


def _from_environment(
    environ: Mapping[str, str], base: Path, where: str = "environment"
) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(_ENV_PREFIX) or not text:
            continue
        key = variable[len(_ENV_PREFIX) :].lower()
        if key in ENVIRONMENT:
            raw[key] = ENVIRONMENT[key](text)
        # A name like none of ours belongs to another program; a near miss is a typing error.
        elif (near := nearest(key, ENVIRONMENT)) is not None:
            raise SettingsError(
                f"{where}: unknown variable {variable}; did you mean {_ENV_PREFIX}{near.upper()}?"
            )
    named = {key: f"{where}: {_ENV_PREFIX}{key.upper()}" for key in raw}
    return dict(_checked(raw, where=where, base=base, named=named))


def _from_call(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    raw = {key: value for key, value in given.items() if value is not None}
    return dict(_checked(raw, where="transfuse.install()", base=base))


def _checked(
    raw: Mapping[str, Any], *, where: str, base: Path, named: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Any]]:
    for key, value in raw.items():
        if key not in CHECKS:
            near = nearest(key, KEYS)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(KEYS)}"
            raise SettingsError(f"{where}: unknown key {key!r}; {hint}")
        checked = CHECKS[key](value, (named or {}).get(key, f"{where}, {key}"))
        if key == "roots":
            checked = tuple(
                dict.fromkeys(os.path.abspath(base / os.path.expanduser(root)) for root in checked)
            )
        yield key, checked
