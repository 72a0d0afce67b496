"""Parses a `.env` file.

Lines of ``NAME=value``, as shells and most tools read them: `export` in front, comments, quotes
around the value. Values are taken as they are, nothing in them is replaced.
"""

from __future__ import annotations

import re

_LINE = re.compile(
    r"""^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<plain>[^#\s'"](?:[^#]|(?<!\s)\#)*)?)
    \s*(?:\#.*)?$""",
    re.VERBOSE,
)


def parse(text: str) -> dict[str, str]:
    """Return the variables that `text` sets, such as ``{"TRANSFUSE_POLICY": "fresh"}``."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        if (found := _LINE.match(line)) is None:
            continue  # a comment, an empty line, or something of another tool
        single, double, plain = found.group("single", "double", "plain")
        value = next((each for each in (single, double, plain) if each is not None), "")
        values[found["name"]] = value.strip() if plain is not None else value
    return values
