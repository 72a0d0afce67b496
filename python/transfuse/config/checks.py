"""Is a raw value of a setting valid?

One function for each kind of setting, from the raw value of a file, the environment or a call to
the value in `Settings`. A bad value is a SettingsError that names its place and the allowed values.
`settings` decides which source wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from transfuse.errors import SettingsError
from transfuse.source.compiler import RELOAD_WORDS, THREAD_WORDS
from transfuse.source.suggestions import nearest


class ModuleSettings(NamedTuple):
    """The settings of the modules that a pattern names.

    Attributes:
        reload: a policy, such as ``"fresh"``, or None to leave it to the general one.
        preserve: names of globals whose values are carried, such as ``("cache",)``.
        thread: where an update runs them: ``"main"`` or, as None does, ``"update"``.
    """

    reload: str | None = None
    preserve: tuple[str, ...] = ()
    thread: str | None = None


# When `transfuse serve` hands over to fresh processes: by itself, when it is asked to, or never.
HANDOVER_WORDS = ("auto", "ask", "never")
# Thirty years: clocks of systems overflow beyond.
_LONGEST = 1e9


def _refuse(where: str, value: object, allowed: str) -> SettingsError:
    return SettingsError(f"{where}: {value!r} is not {allowed}")


def _boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _refuse(where, value, "true or false")
    return value


def _paths(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        paths = [os.fspath(each) for each in value if isinstance(each, (str, os.PathLike))]
        if len(paths) == len(value) and all(isinstance(path, str) and path for path in paths):
            return tuple(paths)
    raise _refuse(where, value, "a list of paths")


def _seconds(value: object, where: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST:
        return float(value)
    raise _refuse(where, value, "a number of seconds above 0")


def _count(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _refuse(where, value, "a whole number, 0 or more")


def _policy(value: object, where: str) -> str:
    return _word(value, where, RELOAD_WORDS)


def _word(value: object, where: str, words: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in words:
        return value
    near = nearest(value, words) if isinstance(value, str) else None
    hint = f"; did you mean {near!r}?" if near else ""
    raise _refuse(where, value, f"one of {', '.join(words)}{hint}")


def _handover(value: object, where: str) -> str:
    if isinstance(value, str) and value in HANDOVER_WORDS:
        return value
    raise _refuse(where, value, f"one of {', '.join(HANDOVER_WORDS)}")


def _target(value: object, where: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"[\w.]+:[\w.]+", value):
        return value
    raise _refuse(where, value, 'a function, such as "shop.smoke:check"')


def _names(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        names = [each for each in value if isinstance(each, str) and each.isidentifier()]
        if len(names) == len(value):
            return tuple(names)
    raise _refuse(where, value, "a list of names of globals")


def _modules(value: object, where: str) -> dict[str, ModuleSettings]:
    if not isinstance(value, Mapping):
        raise _refuse(where, value, 'a table from patterns, such as "shop.legacy.*"')
    return {
        _pattern(pattern, where): _module(entry, f'{where}."{pattern}"')
        for pattern, entry in value.items()
    }


def _pattern(value: object, where: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise _refuse(where, value, "a pattern of module names")


def _module(value: object, where: str) -> ModuleSettings:
    if isinstance(value, ModuleSettings):
        return value
    if not isinstance(value, Mapping):
        raise _refuse(where, value, "a table with reload, preserve or thread")
    known = ModuleSettings._fields
    for key in value:
        if key not in known:
            near = nearest(str(key), known)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
            raise SettingsError(f"{where}: unknown key {key!r}; {hint}")
    policy, preserve, thread = (value.get(key) for key in known)
    return ModuleSettings(
        reload=None if policy is None else _policy(policy, f"{where}, reload"),
        preserve=() if preserve is None else _names(preserve, f"{where}, preserve"),
        thread=None if thread is None else _word(thread, f"{where}, thread", THREAD_WORDS),
    )


# Setting -> from a raw value and the words for where it stands to the checked value.
CHECKS: Mapping[str, Callable[[Any, str], Any]] = {
    "roots": _paths,
    "include": _paths,
    "exclude": _paths,
    "gitignore": _boolean,
    "watch": _boolean,
    "poll": _seconds,
    "policy": _policy,
    "modules": _modules,
    "keep": _count,
    "keep_deleted": _boolean,
    "store": _count,
    "resident": _count,
    "time_limit": _seconds,
    "drain": _seconds,
    "together": _boolean,
    "handover": _handover,
    "check": _target,
    "remember": _boolean,
}


def _text_boolean(text: str) -> object:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    return words.get(text.lower(), text)


def _text_number(text: str) -> object:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _text_list(text: str) -> object:
    return [each for each in text.split(os.pathsep) if each]


# Setting -> from the text of its TRANSFUSE_ variable to the raw value that CHECKS judges.
ENVIRONMENT: Mapping[str, Callable[[str], object]] = {
    "roots": _text_list,
    "include": _text_list,
    "exclude": _text_list,
    "gitignore": _text_boolean,
    "watch": _text_boolean,
    "poll": _text_number,
    "policy": str,
    "keep": _text_number,
    "keep_deleted": _text_boolean,
    "store": _text_number,
    "resident": _text_number,
    "time_limit": _text_number,
    "drain": _text_number,
    "together": _text_boolean,
    "remember": _text_boolean,
    "handover": str,
    "check": str,
}
