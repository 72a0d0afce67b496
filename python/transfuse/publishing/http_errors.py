"""The responses to requests that no page answers.

The rule that refuses a request raises `Refused`; one place turns it into a page. `told` is for the
visitor, `why` for the developer: it appears in the log, and on the page in debug mode only.
"""

from __future__ import annotations

import html
from http import HTTPStatus

# The most lines that a visitor sees.
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
        told: the message for the visitor, line by line.
        why: the message for the developer.
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
    """The client has disconnected, so no response can be sent."""


def not_found(why: str) -> Refused:
    """Return a 404; the visitor does not learn whether an unpublished object exists."""
    return Refused(HTTPStatus.NOT_FOUND, why=why)


def bad_request(*told: str) -> Refused:
    """Return the refusal of a request whose arguments make no sense."""
    return Refused(HTTPStatus.BAD_REQUEST, *told)


def page(status: HTTPStatus, told: tuple[str, ...] = (), trace: str = "") -> bytes:
    """Return a page of HTML with a message.

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
    # The message of an exception may have any text in it, lone surrogates too.
    text = _PAGE.format(title=html.escape(title), rest="".join(lines))
    return text.encode(errors="backslashreplace")
