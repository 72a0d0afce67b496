"""P16: what is on trial goes back at once when more requests fail than before."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import transfuse
from conftest import CAP
from transfuse.updates import error_rates

if TYPE_CHECKING:
    import pytest

    from conftest import LiveTree

APP = """
def app(environ, start_response):
    if environ["PATH_INFO"] in {0!r}:
        raise LookupError("broken")
    start_response("200 OK", [])
    return [b"ok"]
"""


def on_trial(tree: LiveTree, files: dict[str, str]) -> None:
    tree.write(files)
    assert transfuse.update(confirm_within=600).outcome == "published"


def ask(application: Any, path: str = "/") -> None:
    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any: ...

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path}
    with contextlib.suppress(LookupError):
        list(application(environ, start_response))


def web(tree: LiveTree) -> Any:
    tree.write({"page.py": APP.format(["/f"])})
    tree.install()
    application = transfuse.wsgi("page:app")
    for _ in range(998):
        ask(application)
    ask(application, "/f")
    ask(application, "/f")
    assert transfuse.status().requests == ((1, 1000, 2),)
    return application


def test_p16_it_goes_back_at_once_when_requests_fail(tree: LiveTree) -> None:
    application = web(tree)
    on_trial(tree, {"page.py": APP.format(["/f", "/g"])})
    for path in ["/", "/g"] * 30:
        ask(application, path)
        if transfuse.status().trial is None:
            break
    report = tree.wait(lambda report: report.outcome == "rolled back")
    assert re.fullmatch(r"\d+ of \d+ requests failed, before 2 of 1,000", report.why), report.why
    for _ in range(5):
        ask(application, "/g")
    assert transfuse.status().requests[-1] == (3, 5, 0)


def test_as_many_failures_as_before_are_none(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def noted(old: Any, new: Any, *more: Any) -> bool:
        seen.append(new)
        return fails_more(old, new, *more)

    fails_more = error_rates.fails_more
    monkeypatch.setattr(error_rates, "fails_more", noted)
    application = web(tree)
    on_trial(tree, {"page.py": APP.format(["/f"]) + "# new\n"})
    for number in range(500):
        ask(application, "/f" if number == 250 else "/")
    deadline = time.monotonic() + CAP
    while (500, 500, 1) not in seen:
        assert time.monotonic() < deadline, seen[-3:]
        time.sleep(0.005)  # polled: the cap says when it failed
    assert transfuse.confirm() is not None
