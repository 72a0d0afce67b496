"""Converts a value that a visitor has sent to the type of an annotation.

Text of a query or a form is converted; what JSON has a word for must be that already. An annotation
that is not known here is the author's error, and is said so when something is sent for it.
"""

from __future__ import annotations

import enum
import math
import re
import reprlib
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from inspect import Parameter
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from transfuse.publishing.request import Upload

# Takes the sent value and returns the argument.
Converter = Callable[[Any], Any]

_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
_UNIONS = (Union, getattr(types, "UnionType", Union))
_LISTS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    Sequence: list,
}
# How many characters of a value are shown to the visitor.
_SHOWN = 60


class Unknown(TypeError):
    """No value can be made for this annotation; the caller adds the parameter's name."""


class Unfit(ValueError):
    """A value that the annotation can make nothing of.

    Attributes:
        wanted: a value that would fit, such as ``"a whole number"``.
    """

    def __init__(self, value: Any, wanted: str) -> None:
        shown = f"{len(value)} values" if isinstance(value, list) else _short(value)
        super().__init__(f"{shown} is not {wanted}")
        self.wanted = wanted


def converter(annotation: Any) -> Converter:
    """Return the function that converts a value to the type of an annotation.

    Raises:
        Unknown: the annotation is not known.
    """
    try:
        if annotation in _SIMPLE:
            return _SIMPLE[annotation]
    except TypeError:  # not hashable, such as Literal[[]]
        pass
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        members = {str(each.value): each for each in annotation}
        return _one_of(members, tuple(each.value for each in annotation))
    made = _composed(annotation)
    if made is None:
        raise Unknown(f"the publisher can make no {annotation!r} of what is sent")
    return made


def _composed(annotation: Any) -> Converter | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return converter(arguments[0])
    if origin is Literal:
        return _one_of({str(each): each for each in arguments}, arguments)
    if origin in _UNIONS:
        return _union([each for each in arguments if each is not type(None)], arguments)
    if annotation in _LISTS or origin in _LISTS:
        return _list_of(origin or annotation, arguments)
    if annotation in (dict, Mapping) or origin in (dict, Mapping):
        return _mapping_of(arguments)
    return None


def _as_it_is(value: Any) -> Any:
    return value


def _nothing(value: Any) -> None:
    if value not in (None, ""):
        raise Unfit(value, "empty")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Unfit(value, "one text")


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        try:
            return int(value)
        except ValueError:  # more digits than Python converts
            pass
    raise Unfit(value, "a whole number")


def _number(value: Any) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            if math.isfinite(converted := float(value)):
                return converted
        except OverflowError:
            pass
    raise Unfit(value, "a number")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            pass
    raise Unfit(value, "a decimal number")


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    said = value.lower() if isinstance(value, str) else value
    if said in _TRUE or said in _FALSE:
        return said in _TRUE
    raise Unfit(value, "true or false")


def _bytes(value: Any) -> bytes:
    if isinstance(value, Upload):
        return value.data
    return _text(value).encode()


def _upload(value: Any) -> Upload:
    if isinstance(value, Upload):
        return value
    raise Unfit(value, "one file")


def _parsed(parse: Callable[[str], Any], wanted: str) -> Converter:
    def convert(value: Any) -> Any:
        # Digits of other scripts count as digits to some of these.
        if isinstance(value, str) and value.isascii():
            try:
                return parse(value)
            except ValueError:
                pass
        raise Unfit(value, wanted)

    return convert


_SIMPLE: dict[Any, Converter] = {
    Parameter.empty: _as_it_is,
    Any: _as_it_is,
    object: _as_it_is,
    None: _nothing,
    type(None): _nothing,
    str: _text,
    int: _whole,
    float: _number,
    bool: _truth,
    bytes: _bytes,
    Decimal: _decimal,
    Upload: _upload,
    date: _parsed(date.fromisoformat, "a date such as 2004-10-31"),
    datetime: _parsed(datetime.fromisoformat, "a time such as 2004-10-31T12:00:00"),
    time: _parsed(time.fromisoformat, "a time of day such as 12:00"),
    UUID: _parsed(UUID, "a UUID"),
}


def _one_of(members: Mapping[str, Any], values: tuple[Any, ...]) -> Converter:
    wanted = "one of " + ", ".join(str(each) for each in values)

    def convert(value: Any) -> Any:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            found = members.get(str(value), members)
            if found is not members:
                return found
        # 1 equals True, and is no bool.
        if isinstance(value, bool) and any(each is value for each in values):
            return members[str(value)]
        raise Unfit(value, wanted)

    return convert


def _union(kinds: list[Any], arguments: tuple[Any, ...]) -> Converter:
    converters = [converter(each) for each in kinds]
    # `str` takes any text, so it is tried last: `str | int` of "7" is 7.
    converters.sort(key=lambda each: each is _text)
    optional = len(kinds) < len(arguments)

    def convert(value: Any) -> Any:
        # A field that is left empty is none, unless text was asked for.
        if optional and (value is None or (value == "" and _text not in converters)):
            return None
        wanted = []
        for each in converters:
            try:
                return each(value)
            except Unfit as error:
                wanted.append(error.wanted)
        raise Unfit(value, " or ".join(wanted))

    return convert


def _list_of(kind: Any, arguments: tuple[Any, ...]) -> Converter:
    if kind is tuple and arguments and (len(arguments) != 2 or arguments[1] is not Ellipsis):
        raise Unknown(f"a tuple of {arguments!r}: say tuple[int, ...], or list[int]")
    each = converter(arguments[0]) if arguments else _as_it_is
    make = _LISTS[kind]

    def convert(value: Any) -> Any:
        members = [each(one) for one in (value if isinstance(value, list) else [value])]
        try:
            return make(members)
        except TypeError:  # a set of lists or of objects
            raise Unfit(value, "a set of texts and numbers") from None

    return convert


def _mapping_of(arguments: tuple[Any, ...]) -> Converter:
    name, each = (converter(one) for one in arguments or (Any, Any))

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unfit(value, "an object")
        return {name(key): each(one) for key, one in value.items()}

    return convert


def _short(value: Any) -> str:
    # Not `repr` of all of it, which may be long, or nested too deeply.
    shown = repr(value[: _SHOWN + 1]) if isinstance(value, str) else reprlib.repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
