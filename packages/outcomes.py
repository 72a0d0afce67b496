"""A plugin for pytest: what came of each test, and how many modules were live at the end.

Written as JSON to the file that OUTCOMES names. A test has one outcome, the worst of its phases,
so that a teardown that fails is not hidden by a call that passed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

# node id -> such as "passed"; written by the two hooks, for the length of the process.
_outcomes: dict[str, str] = {}
_RANK = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")


def pytest_runtest_logreport(report: Any) -> None:
    """Record one phase of one test."""
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    elif report.failed and report.when != "call":
        outcome = "error"
    _note(report.nodeid, outcome)


def pytest_collectreport(report: Any) -> None:
    """Record a file that could not be collected."""
    if not report.passed:
        _note(report.nodeid, "error" if report.failed else "skipped")


def pytest_sessionfinish() -> None:
    """Write the file."""
    told = {"outcomes": _outcomes, "modules": _live_modules()}
    with open(os.environ["OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump(told, file)


def _note(test: str, outcome: str) -> None:
    before = _outcomes.get(test, "passed")
    _outcomes[test] = max(before, outcome, key=_RANK.index)


def _live_modules() -> int:
    # Not imported here: a run without Transfuse must not load it.
    transfuse = sys.modules.get("transfuse")
    return transfuse.status().modules if transfuse is not None else 0
