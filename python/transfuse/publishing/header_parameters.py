"""What does a header say beside its value: the `name` of a form's part, the `boundary`?

Read in one pass, whose time grows with the length of the header and no faster. What is no header,
names a parameter twice or is in an unknown alphabet is refused.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_PARAMETER = re.compile(
    r";[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*"
    r"""(?:"((?:[^"\\]|\\.)*)"|([^;"]*))[ \t]*)?""",
    re.ASCII | re.DOTALL,
)
# Browsers put a backslash before a quote, and leave others in the names of files as they are.
_ESCAPED = re.compile(r'\\(["\\])')
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[^']*'([^'\s]*)", re.ASCII | re.IGNORECASE)


def essence_of(header: str) -> str:
    """Return a header's value without its parameters, in lower case, such as ``"text/html"``."""
    return header.partition(";")[0].strip(" \t").lower()


def parameters_of(header: str) -> dict[str, str]:
    """Return the parameters of a header by their names in lower case.

    Args:
        header: such as ``form-data; name="table"; filename*=UTF-8''%C3%A9.csv`` (RFC 5987), whose
            parameters are ``{"name": "table", "filename": "é.csv"}``.

    Raises:
        ValueError: it cannot be read.
    """
    found: dict[str, str] = {}
    extended: dict[str, str] = {}
    at = header.find(";")
    while 0 <= at < len(header):
        match = _PARAMETER.match(header, at)
        if match is None:
            raise ValueError(f"{header!r} is no header with parameters")
        at = match.end()
        name, quoted, token = match.groups()
        if name is None:
            continue
        name = name.lower()
        value = token.strip(" \t") if quoted is None else _ESCAPED.sub(r"\1", quoted)
        if name in found or name in extended:
            raise ValueError(f"{name} is there twice")
        if name.endswith("*"):
            extended[name] = _decoded(value)
        else:
            found[name] = value
    return found | {name.removesuffix("*"): value for name, value in extended.items()}


def _decoded(value: str) -> str:
    match = _EXTENDED.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is neither UTF-8 nor ISO-8859-1")
    return unquote(match[2], encoding=match[1], errors="strict")
