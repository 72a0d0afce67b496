"""What does a visitor get who does not get an answer?

A refusal is raised where the rule is, and becomes a page in one place. What a visitor may know is
told apart from what only a developer may know: that is on the page in debug, and in the log.
"""

from __future__ import annotations

import html
from http import HTTPStatus

# How many lines a visitor is told.
_LINES = 20
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
{rest}</html>
"""


class Refused(Exception):
    """A request that is not answered by the page that was asked for.

    Attributes:
        status: such as 404.
        told: what the visitor is told, line by line.
        why: what the developer is told.
        headers: such as ``[("Allow", "GET, HEAD, OPTIONS, POST")]``.
    """

    def __init__(
        self,
        status: HTTPStatus,
        *told: str,
        why: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(why or "; ".join(told) or status.phrase)
        self.status = status
        self.told = told
        self.why = why
        self.headers = headers


class VisitorGone(Exception):
    """Whoever asked is not there any more: there is nobody to tell anything."""


def not_found(why: str) -> Refused:
    """Return the refusal of what is not published; a visitor does not learn whether it exists."""
    return Refused(HTTPStatus.NOT_FOUND, why=why)


def bad_request(*told: str) -> Refused:
    """Return the refusal of a request whose arguments make no sense."""
    return Refused(HTTPStatus.BAD_REQUEST, *told)


def page(status: HTTPStatus, told: tuple[str, ...] = (), trace: str = "") -> bytes:
    """Return a page of HTML that says what happened.

    Args:
        status: its title.
        told: lines of text.
        trace: text that is set as it is, a traceback.
    """
    if len(told) > _LINES:
        told = (*told[:_LINES], f"and {len(told) - _LINES} more")
    lines = [f"<p>{html.escape(line)}</p>\n" for line in told]
    if trace:
        lines.append(f"<pre>{html.escape(trace)}</pre>\n")
    title = f"{status.value} {status.phrase}"
    # What a page raises may have any text in it, and must be told all the same.
    text = _PAGE.format(title=html.escape(title), rest="".join(lines))
    return text.encode(errors="backslashreplace")
