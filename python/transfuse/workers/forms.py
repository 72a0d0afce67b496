"""Which messages between workers and coordinator are well formed?

Any program of the same user can connect and send bytes. A message of a known kind whose fields are
not what they must be is no message, and its connection is closed; a kind that is not known, which a
later release may have, is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transfuse.config.native import json

Said = dict[str, Any]

# Generations are counted in 64 bits.
_MOST = 1 << 63


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _MOST


def _seconds_or_none(value: object) -> bool:
    return value is None or isinstance(value, (int, float))


def _seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < float("inf")


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(_count(each) for each in value)


def _contents(value: object) -> bool:
    """Path to base64, or to None where there is no file."""
    return isinstance(value, dict) and all(_text_or_none(each) for each in value.values())


def _contents_or_none(value: object) -> bool:
    return value is None or _contents(value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(_text(each) for each in value)


def _digests(value: object) -> bool:
    """Path to digest."""
    return isinstance(value, dict) and all(_text(each) for each in value.values())


def _change(value: object) -> bool:
    """Whether this describes an update: its files, and the rollback that it is, or None."""
    if not isinstance(value, dict) or not _texts(value.get("paths")):
        return False
    back = value.get("back")
    is_back = back is None or (
        isinstance(back, list) and len(back) == 2 and _count(back[0]) and _seconds_or_none(back[1])
    )
    if not _digests(value.get("others", {})):
        return False
    return is_back and _wanted_or_none(value.get("trial")) and _ends_or_none(value.get("ends"))


def _wanted_or_none(value: object) -> bool:
    """The trial that an update begins."""
    if value is None:
        return True
    return isinstance(value, dict) and _text(value.get("key")) and _seconds(value.get("seconds"))


def _ends_or_none(value: object) -> bool:
    """The trial that a rollback ends, and why."""
    if value is None:
        return True
    return isinstance(value, dict) and _text(value.get("key")) and _text(value.get("why"))


def _requests(value: object) -> bool:
    """How many requests have begun, were answered, and failed."""
    return _counts(value) and isinstance(value, list) and len(value) == 3


def _waiting(value: object) -> bool:
    """The changes that wait for a restart: name, code, reason, and file or None."""
    return isinstance(value, list) and all(
        isinstance(each, list)
        and len(each) == 4
        and all(map(_text, each[:3]))
        and _text_or_none(each[3])
        for each in value
    )


_Form = Mapping[str, Callable[[object], bool]]
# The messages of workers, and the orders of the coordinator: word -> field -> its check.
_SAY: Mapping[str, _Form] = {
    "joins": {
        "view": _text,
        "generation": _count,
        "others": _digests,
        "source": _text,
        "staged": _text_or_none,
        "contents": _contents_or_none,
        "change": _change,
        "on_trial": _text_or_none,
        "pid": _count,
    },
    "staged": {"view": _text, "contents": _contents_or_none, "change": _change},
    "fails": {"why": _text},
    "counts": {"key": _text, "round": _count, "view": _text, "old": _requests, "new": _requests},
    "confirms": {"key": _text},
    "serves": {
        "view": _text,
        "generation": _count,
        "others": _digests,
        "source": _text,
        "since": _seconds_or_none,
    },
}
_DO: Mapping[str, _Form] = {
    "nothing": {"for": _counts},
    "refuse": {"why": _text},
    "go back": {"key": _text, "round": _count, "why": _text},
    "trial over": {"key": _text, "how": _text},
    "trial": {
        "key": _text,
        "seconds": _seconds,
        "left": _seconds,
        "round": _count,
        "generation": _count,
        "back_to": _count,
    },
    "stage": {"view": _text, "generation": _count},
    "number": {"generation": _count},
    "catch up": {"view": _text, "generation": _count, "contents": _contents, "aside": _texts},
    "take": {"generation": _count, "contents": _contents, "aside": _texts},
}
_FORMS = {"say": _SAY, "do": _DO}
# Fields that orders may have.
_MORE = {
    "others": _digests,
    "trial": _wanted_or_none,
    "ends": _ends_or_none,
    "waiting": _texts,
    "restart": _waiting,
}


def parsed(line: bytes) -> Said:
    """Return the message that a line is.

    Raises:
        ValueError: it is none.
    """
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("a message is nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("a message is no object")
    for key, forms in _FORMS.items():
        if key in message:
            _check(message, message[key], forms)
            return message
    raise ValueError("a message neither says nor tells anything")


def _check(message: Said, word: object, forms: Mapping[str, _Form]) -> None:
    if not isinstance(word, str):
        raise ValueError("a message has no word")
    for field, is_right in forms.get(word, {}).items():
        if field not in message or not is_right(message[field]):
            raise ValueError(f"the message {word!r} has no proper {field!r}")
    for field, is_right in {"contents": _contents_or_none, **_MORE}.items():
        if field in message and not is_right(message[field]):
            raise ValueError(f"the message {word!r} has no proper {field!r}")
