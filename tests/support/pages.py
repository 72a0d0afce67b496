"""The pages of the documentation: their links, and the names in backticks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# `[text](target)` that leads into the project.
_LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# A long option, also one in a block of shell lines.
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def anchor(heading: str) -> str:
    """The fragment by which a heading is linked to: lower case, `-` for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Path) -> list[str]:
    """The links of a page to files and headings that do not exist."""
    found = []
    for name, fragment in _LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        if not target.exists():
            found.append(name)
        elif fragment:
            headings = _HEADING.findall(target.read_text(encoding="utf-8"))
            if fragment not in {anchor(heading) for heading in headings}:
                found.append(f"{name}#{fragment}")
    return found


def code_of(page: str) -> str:
    """The code of a page: its blocks, and what is in backticks."""
    return "\n".join(_CODE.findall(page))


def commands(page: str, program: str) -> list[tuple[str, set[str]]]:
    """Each use of `program` in the code of a page: the command, and its long options.

    Args:
        page: in Markdown.
        program: such as ``"transfuse"``.
    """
    found = []
    for line in re.findall(rf"(?<![\w./-]){program} ([^\n`#;|]+)", code_of(page)):
        words = line.split()
        if re.fullmatch(r"[a-z]+", words[0]):
            found.append((words[0], set(_OPTION.findall(line))))
    return found


def missing(names: Iterable[str], text: str) -> list[str]:
    """The names that a text does not contain as words."""
    return [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
