"""An update that must be confirmed: what ends its trial, and what is served then."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.threads import Worker
from transfuse.errors import TransfuseError
from transfuse.updates import trial

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD, BAD = "VALUE = 'good'\n", "VALUE = 'bad'\n"
# Longer than any test.
LONG = 600.0
APP = """
def app(environ, start_response):
    if environ["PATH_INFO"] in {0!r}:
        raise LookupError("broken")
    start_response("200 OK", [])
    return [b"ok"]
"""


def shop(tree: LiveTree, **settings: Any) -> None:
    tree.write({"val.py": GOOD, "other.py": "VALUE = 1\n", "web.py": "import val, other\n"})
    tree.install(**settings)
    tree.module("web")


def served(tree: LiveTree) -> str:
    value: str = tree.module("val").VALUE
    return value


def wait_until(what: str, condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + CAP
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {CAP} s"
        time.sleep(0.005)  # polled: the cap says when it failed


def on_trial(tree: LiveTree, files: dict[str, str], seconds: float = LONG) -> Any:
    tree.write(files)
    report = transfuse.update(confirm_within=seconds)
    assert report.outcome == "published", report.traceback
    return report


def gone_back(tree: LiveTree) -> Any:
    return tree.wait(lambda report: report.outcome == "rolled back")


def test_p16_it_goes_back_by_itself(
    tree: LiveTree, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "transfuse")
    shop(tree, policy=policy)
    report = on_trial(tree, {"val.py": BAD}, 0.3)
    assert (report.trial.generation, report.trial.back_to) == (2, 1)
    assert transfuse.status().trial == report.trial
    assert "on trial until" in caplog.text
    report = gone_back(tree)
    assert (report.why, report.back_to[0]) == ("not confirmed within 0.3 s", 1)
    assert "rolled back in" in caplog.text
    assert ": not confirmed within 0.3 s: back to generation 1" in caplog.text
    assert (served(tree), transfuse.status().trial) == ("good", None)
    # It is set aside, as by any rollback.
    assert report.set_aside == (str(tree.root / "val.py"),)
    tree.published({"other.py": "VALUE = 2\n"})
    assert served(tree) == "good"
