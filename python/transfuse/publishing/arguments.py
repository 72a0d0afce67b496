"""With which arguments is a function called?

By name. What the function has no parameter for is dropped, unless it takes `**kwargs`. A parameter
called `request` gets the request, and nothing that a visitor sends. Names that begin with an
underscore are the author's own.
"""

from __future__ import annotations

import inspect
import operator
import sys
import typing
from inspect import Parameter
from types import FunctionType, MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from transfuse.publishing.converters import Unfit, Unknown, converter
from transfuse.publishing.describe_location import where
from transfuse.publishing.form_parsing import is_json_without_names
from transfuse.publishing.http_errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transfuse.publishing.converters import Converter
    from transfuse.publishing.request import Request

_REQUEST = "request"
# Defaults and annotations of these types need no converter of their own.
_PLAIN = (str, int, float, bool, bytes, type(None))
# Function -> by whether it is called as a method, the parts that were read, and its parameters.
# Written by the first thread that asks (all would write the same); entries leave with the
# function. A patched function has other parts.
_known: WeakKeyDictionary[FunctionType, dict[bool, tuple[tuple[Any, ...], list[Parameter]]]] = (
    WeakKeyDictionary()
)
# How many characters of a name are shown to the visitor.
_SHOWN = 60


def arguments_for(
    function: Callable[..., Any], request: Request, fields: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments by position and by name.

    Raises:
        Refused: 400 if one is missing or cannot be converted; it names all of them.
        TypeError, NameError: an annotation is not known, or makes no sense.
    """
    parameters = _parameters(function)
    wrong: list[str] = []
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        value = parameter.default
        if name == _REQUEST:
            value = request
        elif name in fields and not name.startswith("_"):
            try:
                value = _converter(function, parameter)(fields[name])
            except Unfit as error:
                wrong.append(f"{name}: {error}")
                continue
        elif value is Parameter.empty:
            wrong.append(f"{name} is missing")
            continue
        elif parameter.kind is not Parameter.POSITIONAL_ONLY:
            continue
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[name] = value
    if wrong:
        if is_json_without_names(request):
            wrong.insert(0, "the body is JSON, and must be an object")
        raise bad_request(*wrong)
    named |= _others(function, parameters, fields, wrong)
    if wrong:
        raise bad_request(*wrong)
    return positional, named


def _others(
    function: Callable[..., Any],
    parameters: list[Parameter],
    fields: Mapping[str, Any],
    wrong: list[str],
) -> dict[str, Any]:
    """Return the values for `**kwargs`, if the function has it."""
    every = next((each for each in parameters if each.kind is Parameter.VAR_KEYWORD), None)
    if every is None:
        return {}
    taken = {_REQUEST, *(each.name for each in parameters), *_wrappers_names(function)}
    convert = _converter(function, every)
    others: dict[str, Any] = {}
    for name, value in fields.items():
        if name in taken or name.startswith("_"):
            continue
        try:
            others[name] = convert(value)
        except Unfit as error:
            shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
            wrong.append(f"{shown}: {error}")
    return others


def _converter(function: Callable[..., Any], parameter: Parameter) -> Converter:
    """Return the converter for a parameter; an error names a parameter without one."""
    try:
        return converter(parameter.annotation)
    except Unknown as error:
        raise TypeError(f"{error}: {parameter.name} of {where(function)}") from None


def _wrappers_names(function: Callable[..., Any]) -> set[str]:
    """Return the names that a visitor must not give to a function with `**kwargs`.

    These are a method's first parameter, `self`, and the parameters of decorators' wrappers: they
    are not the function's own.
    """
    names: set[str] = set()
    layer: Any = function
    if isinstance(function, MethodType):
        layer = function.__func__
        code = getattr(inspect.unwrap(layer), "__code__", None)
        names.update(() if code is None else code.co_varnames[:1])
    while (wrapped := getattr(layer, "__wrapped__", None)) is not None:
        code = getattr(layer, "__code__", None)
        if code is not None:
            names.update(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        layer = wrapped
    return names


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return a function's parameters, with annotations that are no text any more."""
    # A method is made anew each time it is asked for.
    is_bound = isinstance(function, MethodType)
    plain: Any = function.__func__ if isinstance(function, MethodType) else function
    if not _says_all(plain):
        return _read(function)
    parts = (plain.__code__, plain.__defaults__, plain.__kwdefaults__, plain.__annotations__)
    known = _known.get(plain, {}).get(is_bound)
    if known is not None and all(map(operator.is_, known[0], parts)):
        return known[1]
    parameters = _read(function)
    _known.setdefault(plain, {})[is_bound] = (parts, parameters)
    return parameters


def _says_all(function: Any) -> bool:
    """Tell whether a function's parameters follow from its own parts, and lead to nothing else.

    Not if it wraps another; nor if what its annotations mean is looked up when they are asked for;
    nor if they, or its defaults, may lead back to the function: it would be kept for ever.
    """
    if type(function) is not FunctionType or vars(function):
        return False
    if getattr(function, "__annotate__", None) is not None:
        return False
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    kinds = (*map(type, defaults), *function.__annotations__.values())
    return all(any(kind is each for each in _PLAIN) for kind in kinds)


def _read(function: Callable[..., Any]) -> list[Parameter]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format  # noqa: PLC0415

        signature = inspect.signature(function, annotation_format=Format.FORWARDREF)
    else:
        signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    written = {
        each.name: each.annotation
        for each in parameters
        if isinstance(each.annotation, str) and each.name != _REQUEST
    }
    if not written:
        return parameters
    inner = inspect.unwrap(function)
    plain = inner.__func__ if isinstance(inner, MethodType) else inner
    scope = plain.__globals__ if isinstance(plain, FunctionType) else {}
    meant = typing.get_type_hints(
        SimpleNamespace(__annotations__=written), globalns=scope, include_extras=True
    )
    return [
        each.replace(annotation=meant[each.name]) if each.name in meant else each
        for each in parameters
    ]
