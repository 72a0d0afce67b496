"""Rust source as the architecture tests read it: no comments, and every path in full.

A scanner and not a compiler. It knows comments, literals, brackets and `use` trees, and expands the
names that `use`, `as` and `mod` lines make. It does not know what macros generate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMENT_OR_LITERAL = re.compile(
    r"""//[^\n]*
    | /\*
    | \b[bc]?r(?P<hashes>\#*)".*?"(?P=hashes)
    | (?:\b[bc])?"(?:\\.|[^"\\])*"
    | (?:\bb)?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^\\'\n])'
    """,
    re.VERBOSE | re.DOTALL,
)
_USE = re.compile(r"\buse\s+(?=[\w:{])([^;]+);")
_INLINE = re.compile(r"(?<![\w:.])(?:\$\s*)?([A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)")
_CHILD = re.compile(r"\bmod\s+(\w+)\s*;")
_NESTED = re.compile(r"\bmod\s+(\w+)\s*\{")
_FN = re.compile(r"\bfn\s+(\w+)")
_CLOSING = {"(": ")", "[": "]", "{": "}"}

Segments = tuple[str, ...]


@dataclass(frozen=True)
class Path:
    """A path that the source names, with its line: `("std", "fs", "read")`."""

    line: int
    segments: Segments

    def __str__(self) -> str:
        return "::".join(self.segments)


def without_comments(text: str) -> str:
    """Blank comments and the content of literals; every line keeps its number."""
    pieces, at = [], 0
    while match := COMMENT_OR_LITERAL.search(text, at):
        end = _end_of_comment(text, match.start()) if match[0] == "/*" else match.end()
        pieces.append(text[at : match.start()])
        pieces.append(re.sub(r"[^\n]", " ", text[match.start() : end]))
        at = end
    return "".join(pieces) + text[at:]


def _end_of_comment(text: str, start: int) -> int:
    """Block comments nest."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def _end_of_block(code: str, start: int) -> int:
    """The index after the bracket that closes the one at `start`."""
    depth = 0
    for index in range(start, len(code)):
        if code[index] in _CLOSING:
            depth += 1
        elif code[index] in _CLOSING.values():
            depth -= 1
            if depth == 0:
                return index + 1
    return len(code)


def _split(tree: str) -> Iterator[str]:
    """The parts of a `use` group, at its outer commas."""
    depth, start = 0, 0
    for index, char in enumerate(tree):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            yield tree[start:index]
            start = index + 1
    yield tree[start:]


def use_tree(tree: str, before: Segments = ()) -> Iterator[tuple[str, Segments]]:
    """Each name that a `use` tree brings into scope, with its path: `a::{b as c}` gives c, a::b."""
    tree = tree.strip()
    if not tree:
        return
    head, brace, rest = tree.partition("{")
    segments = tuple(part.strip() for part in head.split("::") if part.strip())
    if brace:
        for part in _split(rest.rpartition("}")[0]):
            yield from use_tree(part, before + segments)
        return
    *most, last = segments
    name, _, alias = (part.strip() for part in re.sub(r"\s+as\s+", "\0", last).partition("\0"))
    path = (*before, *most) if name == "self" and before else (*before, *most, name)
    yield alias or path[-1], path


class RustSource:
    """A file of a crate. `module` is its path in the crate: `("state", "generation")`."""

    def __init__(self, text: str, module: Segments = ()) -> None:
        self.code = without_comments(text)
        self.module = module
        # Modules inside the file: `super` in one of them may still mean this file.
        self._nested = [
            (match.start(), _end_of_block(self.code, match.end() - 1), match[1])
            for match in _NESTED.finditer(self.code)
        ]
        # What a name at the top of the file means, in full.
        self.names = {
            match[1]: ("crate", *module, match[1]) for match in _CHILD.finditer(self.code)
        }
        uses = []
        for match in _USE.finditer(self.code):
            for name, path in use_tree(match[1]):
                uses.append((self._line(match.start()), name, self._absolute(path, match.start())))
        self.names.update({name: path for _, name, path in uses if name not in {"_", "*"}})
        # Once more, for a `use` that begins with a name that another one has made.
        self.uses = [Path(line, self._expanded(path)) for line, _, path in uses]
        self.names.update(
            {name: self._expanded(path) for _, name, path in uses if name not in {"_", "*"}}
        )

    def _line(self, index: int) -> int:
        return self.code.count("\n", 0, index) + 1

    def _absolute(self, path: Segments, index: int) -> Segments:
        """Resolve `self` and `super` where they stand."""
        if path[0] not in {"self", "super"}:
            return path
        around = [name for start, end, name in self._nested if start <= index < end]
        here, rest = [*self.module, *around], list(path)
        while rest and rest[0] in {"self", "super"}:
            if rest.pop(0) == "super" and here:
                here.pop()
        return ("crate", *here, *rest)

    def _expanded(self, path: Segments) -> Segments:
        full = self.names.get(path[0])
        return (*full, *path[1:]) if full and full != path and full[0] != path[0] else path

    def paths(self) -> list[Path]:
        """All paths that are named, in `use` lines and in the code, in macros and tests too."""
        found = list(self.uses)
        code = _USE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), self.code)
        code = re.sub(r"\bpub\s*\(\s*in\b[^)]*\)", lambda match: " " * len(match[0]), code)
        for match in _INLINE.finditer(code):
            segments = tuple(part.strip() for part in match[1].split("::"))
            full = self._expanded(self._absolute(segments, match.start()))
            found.append(Path(self._line(match.start()), full))
        return found

    def functions(self) -> list[tuple[str, int]]:
        """Each function that has a body, with its number of lines."""
        found = []
        for match in _FN.finditer(self.code):
            index = match.end()
            while index < len(self.code) and self.code[index] not in "{;":
                opens = self.code[index] in "(["
                index = _end_of_block(self.code, index) if opens else index + 1
            if self.code[index : index + 1] == "{":
                lines = self.code.count("\n", match.start(), _end_of_block(self.code, index)) + 1
                found.append((match[1], lines))
        return found
