"""Have the files beside the code changed since the process began?

Settings of Transfuse (`pyproject.toml`, `.env`) are applied where that can be done in a running
process. All others, and a changed list of required packages, wait for a restart. The core notices
that one of these files has changed and calls `Project.reread`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfuse.config.settings import KEYS, ModuleSettings, parse_toml, read_settings, text_of
from transfuse.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from transfuse.config.settings import Settings

# Settings that hold from the next run of a module on; all others are read once.
LIVE = (
    "policy",
    "modules",
    "keep",
    "keep_deleted",
    "watch",
    "resident",
    "time_limit",
    "drain",
    "handover",
    "check",
)
# Those of them that only the package reads.
_NOT_THE_CORES = ("drain", "handover", "check")
# Files that list packages, besides `requirements*.txt` and `pyproject.toml`.
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile", "Pipfile.lock")
# Where `pyproject.toml` names packages.
_TABLES = (
    ("project", "dependencies"),
    ("project", "optional-dependencies"),
    ("project", "requires-python"),
    ("dependency-groups",),
    ("tool", "poetry", "dependencies"),
    ("tool", "poetry", "group"),
)


# Modules that a framework cannot have twice, such as ("shop.models",): `never`, unless the settings
# say something of them. Replaced whole; emptied by `uninstall`.
_held: tuple[str, ...] = ()


class Project:
    """The files beside the code of one installation.

    Attributes:
        files: the absolute files that are looked at, there or not.
    """

    def __init__(self, settings: Settings, apply: Callable[[Settings], None]) -> None:
        """Remember their content.

        Args:
            settings: the installed ones; without an origin there are no files.
            apply: called with settings of which the live ones are to hold from now on.
        """
        self._installed = self._now = settings
        self._apply = apply
        origin = settings.origin
        self.files: tuple[str, ...] = ()
        self._lists: tuple[Path, ...] = ()
        if origin is not None:
            self._lists = (
                *sorted(origin.folder.glob("requirements*.txt")),
                *(origin.folder / name for name in _LOCKS),
            )
            self.files = tuple(str(each) for each in (*origin.files, *self._lists))
        self._required = self._requirements()
        # Read now and parsed when it has changed: few processes live to see that.
        self._pyproject = None if origin is None else _text_of(origin.project)

    def reread(self, apply: bool) -> dict[str, Any]:
        """Read the files again and return the changes, as the core takes them.

        Args:
            apply: whether to apply what can be applied.

        Raises:
            SettingsError: one of them makes no sense. Nothing is applied.
        """
        origin = self._now.origin
        if origin is None:
            return {"changed": [], "notes": [], "restart": []}
        wanted = read_settings(origin=origin)
        required = self._requirements()
        notes = [
            ("settings", f"{key} is {getattr(wanted, key)!r} now")
            for key in LIVE
            if getattr(wanted, key) != getattr(self._now, key)
        ]
        if notes and apply:
            self._apply(wanted)
            self._now = wanted
        return {
            "changed": [(str(file), "changed") for file in origin.files if notes and file.exists()],
            "notes": notes if apply else [],
            "restart": [*self._settings_waiting(wanted), *self._requirements_waiting(required)],
        }

    def _settings_waiting(self, wanted: Settings) -> list[tuple[str, str, str]]:
        keys = [key for key in KEYS if key not in LIVE]
        return [
            (
                key,
                "setting",
                f"it is {getattr(wanted, key)!r} in the settings, {getattr(self._installed, key)!r}"
                " in this process: restart the server",
            )
            for key in keys
            if getattr(wanted, key) != getattr(self._installed, key)
        ]

    def _requirements_waiting(self, required: Mapping[str, object]) -> list[tuple[str, str, str]]:
        differing = (name for name in required if required[name] != self._required[name])
        return [
            (
                name,
                "requirement",
                "it asks for other packages than when this process began: install them and"
                " restart the server",
            )
            for name in sorted([*differing, *self._pyproject_waiting()])
        ]

    def _pyproject_waiting(self) -> list[str]:
        """Return its name in a list, if `pyproject.toml` asks for other packages than before."""
        origin = self._now.origin
        if origin is None:
            return []
        before, now = self._pyproject, _text_of(origin.project)
        if before == now:
            return []
        asks = [_named_packages(origin.project, text) for text in (before, now)]
        return [] if asks[0] == asks[1] else ["pyproject.toml"]

    def _requirements(self) -> dict[str, object]:
        """Return the packages that each file lists, for comparison."""
        said: dict[str, object] = {}
        for path in self._lists:
            try:
                text: str | None = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                text = None
            if text is not None and path.suffix == ".txt":
                lines = (line.partition("#")[0].strip() for line in text.splitlines())
                said[path.name] = [line for line in lines if line]
            else:
                said[path.name] = text
        return said


def _text_of(pyproject: Path) -> str | None:
    try:
        return text_of(pyproject)
    except SettingsError:
        return None


def _named_packages(pyproject: Path, text: str | None) -> object:
    if text is None:
        return None
    try:
        everything = parse_toml(pyproject, text, "dependencies")
    except SettingsError:
        return None
    tables: list[object] = []
    for keys in _TABLES:
        table: Any = everything
        for key in keys:
            table = table.get(key) if isinstance(table, dict) else None
        tables.append(table)
    return tables


def live_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that can change in a running process, as the core takes them."""
    values = {key: getattr(settings, key) for key in LIVE if key not in _NOT_THE_CORES}
    return {**values, "modules": _patterns(settings)}


def _patterns(settings: Settings) -> list[tuple[str, str | None, tuple[str, ...], str | None]]:
    """Return the settings of modules, as the core takes them; the last match counts."""
    held = {name: ModuleSettings(reload="never") for name in _held}
    said = [*held.items(), *settings.modules.items()]
    return [(pattern, each.reload, each.preserve, each.thread) for pattern, each in said]


def require_restart(names: Sequence[str]) -> bool:
    """Return whether these modules are others than before; `live_settings` has them as `never`."""
    global _held
    before, _held = _held, tuple(names)
    return _held != before
