"""The comments of a file as prose, and the sentences whose subject is "who" or "nobody"."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

from support.rust_source import COMMENT_OR_LITERAL

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRONOUN = r"(?:who(?:ever|m|mever)?|nobody|somebody)"
_BEFORE = "by|to|of|for|from|with|than|that|if|when|where|while|because|since|until|which|and|so"
_SUBJECT = re.compile(
    rf"(?:^|[.:;!?(]\s+|\n\s*\n\s*)[-*\"'(]*{_PRONOUN}\b"
    rf"|\b(?:{_BEFORE})\s+(?:who(?:ever)?|nobody|somebody)\b",
    re.IGNORECASE,
)


def rust_comments(text: str) -> Iterator[tuple[int, str]]:
    """Each block of comment lines, with its first line."""
    block: list[str] = []
    first = last = 0
    for match in COMMENT_OR_LITERAL.finditer(text):
        if not match[0].startswith("//"):
            continue
        line = text.count("\n", 0, match.start()) + 1
        if block and line != last + 1:
            yield first, "\n".join(block)
            block = []
        first = first if block else line
        block.append(match[0].lstrip("/!").strip())
        last = line
    if block:
        yield first, "\n".join(block)


def python_comments(text: str) -> Iterator[tuple[int, str]]:
    """Each docstring and each block of comment lines, with its first line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield node.body[0].lineno, docstring
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line != last + 1:
            yield first, "\n".join(block)
            block = []
        first = first if block else line
        block.append(token.string.lstrip("#").strip())
        last = line
    if block:
        yield first, "\n".join(block)


def dialect(text: str, *, rust: bool) -> list[str]:
    """The sentences that have "who", "whoever", "nobody" or "somebody" as their subject.

    Plain English names the actor: "readers do not take the lock", not "who only reads takes none".
    """
    found = []
    for first, block in rust_comments(text) if rust else python_comments(text):
        for match in _SUBJECT.finditer(block):
            line = first + block.count("\n", 0, match.end())
            rest = " ".join(block[match.start() : match.end() + 30].split())
            found.append(f"{line}: {rest}")
    return found


def dialect_of_page(text: str) -> list[str]:
    """The same for a page in Markdown, without its code; each cell of a table is a sentence."""
    prose = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
    prose = prose.replace("|", ".")
    return [
        f"{prose.count(chr(10), 0, match.end()) + 1}: "
        + " ".join(prose[match.start() : match.end() + 30].split())
        for match in _SUBJECT.finditer(prose)
    ]
