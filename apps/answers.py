"""In what do the answers of two processes differ?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.description import App

Answers = list[dict[str, Any]]
# No two processes agree on these: addresses, identifiers, moments, and tokens against forgery.
_UNSTEADY = (
    r"/data-(?:live|plain)\b",
    r" at 0x[0-9a-f]+",
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*",
    r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    r'name="csrf\w*"[^>]*value="[^"]*"',
)
_AROUND = 60


def differences(app: App, plain: Answers, other: Answers) -> list[str]:
    """Return, in words, where `other` does not answer as the plain process does."""
    patterns = [re.compile(each) for each in (*_UNSTEADY, *app.unsteady)]
    return [
        f"{request.method} {request.path}: {found}"
        for request, wanted, got in zip(app.requests, plain, other, strict=True)
        if (found := _difference(_steady(patterns, wanted), _steady(patterns, got)))
    ]


def unhealthy(app: App, answers: Answers) -> list[str]:
    """Return the requests that a plain process cannot answer, which would compare nothing."""
    return [
        f"{request.method} {request.path}: {answer['status']} {answer['body'][:300]}"
        for request, answer in zip(app.requests, answers, strict=True)
        if answer["status"] == "raised" or answer["status"].startswith("5")
    ]


def _steady(patterns: Sequence[re.Pattern[str]], answer: dict[str, Any]) -> dict[str, Any]:
    body = answer["body"]
    for pattern in patterns:
        body = pattern.sub("~", body)
    return {**answer, "body": body}


def _difference(wanted: dict[str, Any], got: dict[str, Any]) -> str:
    for key in ("status", "type"):
        if wanted[key] != got[key]:
            return f"{key} {got[key]!r}, not {wanted[key]!r}: {got['body'][:200]!r}"
    old, new = wanted["body"], got["body"]
    if old == new:
        return ""
    pairs = enumerate(zip(old, new, strict=False))
    at = next((index for index, (a, b) in pairs if a != b), min(len(old), len(new)))
    begin = max(0, at - _AROUND)
    return f"{new[begin : at + _AROUND]!r}, not {old[begin : at + _AROUND]!r}"
