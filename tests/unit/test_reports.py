"""The core's result becomes a report, with the user's own frames."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from transfuse.source.tracebacks import headline, place, user_traceback
from transfuse.updates.reports import (
    Change,
    Note,
    Plan,
    Ran,
    Report,
    Restart,
    Status,
    UpdateRefused,
)

TOLD: dict[str, Any] = {
    "outcome": "published",
    "generation": 2,
    "changed": [("/srv/a.py", "changed")],
    "ran": [("a", "changed"), ("b", "imports a")],
    "restart": [("c", "never-policy", "restart")],
    "notes": [("b", "B: its __slots__ changed")],
    "seconds": 0.5,
    "error": None,
}


def refused(error: BaseException) -> Report:
    return Report.from_core({**TOLD, "outcome": "refused", "error": error})


def test_a_report_of_what_the_core_tells() -> None:
    assert Report.from_core(TOLD) == Report(
        outcome="published",
        generation=2,
        changed=(Change("/srv/a.py", "changed"),),
        ran=(Ran("a", "changed"), Ran("b", "imports a")),
        restart=(Restart("c", "never-policy", "restart"),),
        notes=(Note("b", "B: its __slots__ changed"),),
        seconds=0.5,
    )


def test_only_a_refused_update_is_not_ok() -> None:
    outcomes = ["published", "unchanged", "rolled back", "refused"]
    found = [Report.from_core({**TOLD, "outcome": outcome}).ok for outcome in outcomes]
    assert found == [True, True, True, False]


def test_check_raises_for_those_who_want_an_exception() -> None:
    error = NameError("no x")
    with pytest.raises(UpdateRefused) as caught:
        refused(error).check()
    expected = "the update was refused: NameError: no x; still serving generation 2"
    assert (str(caught.value), caught.value.__cause__) == (expected, error)


def test_check_of_a_good_one_is_itself() -> None:
    report = Report.from_core(TOLD)
    assert report.check() is report


def test_a_report_as_json() -> None:
    found = json.loads(json.dumps(refused(ValueError("bad")).to_json()))
    assert found == {
        "outcome": "refused",
        "generation": 2,
        "changed": [["/srv/a.py", "changed"]],
        "ran": [["a", "changed"], ["b", "imports a"]],
        "restart": [["c", "never-policy", "restart"]],
        "notes": [["b", "B: its __slots__ changed"]],
        "seconds": 0.5,
        "error": "ValueError: bad",
        "place": None,
        "traceback": "ValueError: bad\n",
        "by": "",
        "back_to": None,
        "set_aside": [],
        "fixed": False,
        "trial": None,
        "why": "",
    }


def test_a_plan_has_no_outcome() -> None:
    told = {key: TOLD[key] for key in ("generation", "changed", "ran", "restart")}
    plan = Plan.from_core(told)
    assert (plan.generation, len(plan.changed), plan.to_json()["ran"][0]) == (
        2,
        1,
        ["a", "changed"],
    )


def test_a_status_holds_the_report_that_failed() -> None:
    told = {
        "generation": 2,
        "roots": [Path("/srv")],
        "modules": 3,
        "kept": [1],
        "units": [],
        "lingering": 0,
        "draining": [(1, 4)],
        "watching": "native",
        "lost_events": 0,
        "watching_because": "",
        "unreadable": [(Path("/srv/pgdata"), "Permission denied")],
        "stored_bytes": 10,
        "failing": {**TOLD, "outcome": "refused", "error": ValueError("bad")},
        "updates": 1,
        "refused": 1,
        "restart": [],
        "set_aside": [Path("/srv/shop/val.py")],
    }
    status = Status.from_core(told)
    assert (status.roots, status.draining) == (("/srv",), ((1, 4),))
    assert status.unreadable == (("/srv/pgdata", "Permission denied"),)
    assert status.set_aside == ("/srv/shop/val.py",)
    assert status.failing is not None
    assert status.failing.traceback == "ValueError: bad\n"
    assert json.loads(json.dumps(status.to_json()))["failing"]["outcome"] == "refused"


def test_p4_frames_of_ours_and_of_importlib_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outer_of_traces.py").write_text("import inner_of_traces\n", encoding="utf-8")
    (tmp_path / "inner_of_traces.py").write_text("x = 1\nraise OSError('bad')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OSError, match="bad") as caught:
        importlib.import_module("outer_of_traces")
    shown = user_traceback(caught.value)
    files = [line.split('"')[1] for line in shown.splitlines() if line.startswith("  File ")]
    assert files == [
        __file__,
        str(tmp_path / "outer_of_traces.py"),
        str(tmp_path / "inner_of_traces.py"),
    ]
    assert shown.endswith("OSError: bad\n")
    assert place(caught.value) == (str(tmp_path / "inner_of_traces.py"), 2)
    assert place(caught.value, ["/nowhere"]) == (str(tmp_path / "inner_of_traces.py"), 2)


def test_p4_the_chain_of_causes_is_shown_without_our_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chain_of_traces.py").write_text(
        "try:\n    import nothing_of_this_name\nexcept ImportError as error:\n"
        "    raise ValueError('no') from error\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="no") as caught:
        importlib.import_module("chain_of_traces")
    shown = user_traceback(caught.value)
    assert "direct cause" in shown
    assert "nothing_of_this_name" in shown
    assert "<frozen importlib" not in shown


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NameError("no x"), "NameError: no x"),
        (ValueError("two\nlines"), "ValueError: two"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SyntaxError("bad", ("a.py", 3, 1, "x")), "SyntaxError: bad"),
    ],
)
def test_headlines(error: BaseException, expected: str) -> None:
    assert headline(error) == expected
