"""An update that must be confirmed: what ends its trial, and what is served then."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.interpreter import LIVE, python
from support.threads import wait
from transfuse import _core
from transfuse.errors import TransfuseError
from transfuse.updates import participants, trial, trial_watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD, BAD = "VALUE = 'good'\n", "VALUE = 'bad'\n"
# Longer than any test.
LONG = 600.0


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


def test_p16_confirmed_it_stays(tree: LiveTree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "transfuse")
    shop(tree)
    report = on_trial(tree, {"val.py": BAD})
    assert transfuse.confirm() == report.trial
    assert "confirmed: generation 2 stays" in caplog.text
    assert transfuse.status().trial is None
    # Asked again, it says the same; there is nothing to go back from.
    assert transfuse.confirm() == report.trial
    wait_until("the thread of the trial ends", lambda: not threads())
    assert (served(tree), transfuse.status().generation) == ("bad", 2)
    tree.published({"val.py": "VALUE = 3\n"})
    assert transfuse.confirm() is None


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "transfuse-trial"]


def test_without_a_trial_there_is_nothing_to_confirm(tree: LiveTree) -> None:
    shop(tree)
    assert transfuse.confirm() is None
    tree.published({"val.py": BAD})
    assert transfuse.confirm() is None


def test_an_update_that_changes_nothing_begins_none(tree: LiveTree) -> None:
    shop(tree)
    report = transfuse.update(confirm_within=LONG)
    assert (report.outcome, report.trial) == ("unchanged", None)
    assert [(each.name, each.what) for each in report.notes] == [("trial", "none has begun")]
    # Nor one that is refused; the update after that was not asked for so.
    tree.write({"val.py": "VALUE =\n"})
    assert transfuse.update(confirm_within=LONG).trial is None
    assert tree.published({"val.py": BAD}).trial is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_senseless_time_is_refused(tree: LiveTree, seconds: float) -> None:
    shop(tree)
    with pytest.raises(ValueError, match="confirm_within must be a number of seconds above 0"):
        transfuse.update(confirm_within=seconds)


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_p16_newer_saves_are_served_and_all_of_them_go_back(tree: LiveTree, keep: int) -> None:
    """Also to a generation that `keep` alone would have let go."""
    shop(tree, keep=keep)
    first = on_trial(tree, {"val.py": BAD})
    for number in range(2, 7):
        report = tree.published({"other.py": f"VALUE = {number}\n"})
        assert report.trial == first.trial
    assert tree.module("other").VALUE == 6
    # The time is up.
    trial.alarm(key(), "enough")
    report = gone_back(tree)
    assert (served(tree), tree.module("other").VALUE) == ("good", 1)
    assert (report.why, report.back_to[0]) == ("enough", 1)
    assert report.set_aside == (str(tree.root / "other.py"), str(tree.root / "val.py"))


def key() -> str:
    told = trial.told()
    assert told is not None
    found: str = told["key"]
    return found


def test_after_a_trial_keep_counts_again(tree: LiveTree) -> None:
    shop(tree, keep=1)
    on_trial(tree, {"val.py": BAD})
    tree.published({"val.py": "VALUE = 3\n"})
    assert transfuse.status().kept == (1, 2)
    transfuse.confirm()
    tree.published({"val.py": "VALUE = 4\n"})
    assert transfuse.status().kept == (3,)


def test_asked_for_again_there_is_more_time_and_the_same_way_back(tree: LiveTree) -> None:
    shop(tree)
    first = on_trial(tree, {"val.py": BAD}, 60)
    again = on_trial(tree, {"other.py": "VALUE = 2\n"}, LONG)
    assert again.trial.until > first.trial.until + 300
    assert (again.trial.generation, again.trial.back_to) == (2, 1)


def test_a_rollback_by_hand_ends_it(tree: LiveTree) -> None:
    shop(tree)
    on_trial(tree, {"val.py": BAD})
    report = transfuse.rollback()
    assert (report.outcome, report.why, report.trial) == ("rolled back", "", None)
    assert transfuse.confirm() is None
    wait_until("the thread of the trial ends", lambda: not threads())


def test_a_rollback_that_only_tells_does_not(tree: LiveTree) -> None:
    shop(tree)
    on_trial(tree, {"val.py": BAD})
    assert transfuse.rollback(dry_run=True).trial is not None


def test_an_update_that_is_refused_does_not_end_it(tree: LiveTree) -> None:
    shop(tree)
    on_trial(tree, {"val.py": BAD})
    report = tree.update({"other.py": "VALUE =\n"})
    assert (report.outcome, report.trial) == ("refused", transfuse.status().trial)
    assert report.trial is not None
    trial.alarm(key(), "enough")
    gone_back(tree)
    assert served(tree) == "good"


def test_the_history_says_how_each_has_ended(tree: LiveTree) -> None:
    shop(tree)
    on_trial(tree, {"val.py": BAD})
    assert "on trial until" in transfuse.history()[-1].note
    transfuse.confirm()
    on_trial(tree, {"val.py": "VALUE = 3\n"})
    trial.alarm(key(), "enough")
    gone_back(tree)
    notes = [(each.generation, each.note) for each in transfuse.history()]
    assert [number for number, _ in notes] == [1, 2, 3, 4]
    assert notes[1][1].startswith("confirmed at ")
    assert [note for _, note in notes[2:]] == ["taken back: enough", "enough"]


def test_while_it_is_rolled_back_it_is_too_late_to_confirm(tree: LiveTree, outside: Any) -> None:
    """A confirmation is not told as done, and then undone."""
    outside.entered, outside.go = threading.Event(), threading.Event()
    shop(tree)
    on_trial(tree, {"val.py": BAD})

    class Slow:
        order, what = 40, "a slow check"

        def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
            outside.entered.set()
            wait(outside.go)

        def published(self, generation: int) -> None: ...
        def abandoned(self, generation: int) -> None: ...

    slow_check = Slow()
    participants.register(slow_check)
    try:
        trial.alarm(key(), "enough")
        wait(outside.entered)
        with pytest.raises(TransfuseError, match=r"too late: it is being rolled back \(enough\)"):
            transfuse.confirm()
    finally:
        outside.go.set()
        gone_back(tree)
        participants.unregister(slow_check)


def test_a_rollback_that_is_refused_is_tried_again(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_watch, "_PAUSE", 0.01)
    shop(tree)
    on_trial(tree, {"val.py": BAD})

    class Refuses:
        order, what, times = 40, "a check", 2

        def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
            self.times -= 1
            if self.times >= 0:
                raise LookupError("not now")

        def published(self, generation: int) -> None: ...
        def abandoned(self, generation: int) -> None: ...

    check = Refuses()
    participants.register(check)
    try:
        trial.alarm(key(), "enough")
        assert gone_back(tree).why == "enough"
    finally:
        participants.unregister(check)
    assert [each.outcome for each in tree.reports].count("refused") == 2


def test_a_save_that_comes_at_the_last_moment_goes_back_as_well(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollback was meant for the generation before, and comes again."""
    shop(tree)
    on_trial(tree, {"val.py": BAD})
    asked = _core.rollback

    def late(*arguments: Any, **more: Any) -> Any:
        monkeypatch.undo()
        tree.published({"other.py": "VALUE = 2\n"})
        trial.alarm(key(), "enough")
        return asked(*arguments, **more)

    monkeypatch.setattr(_core, "rollback", late)
    trial.alarm(key(), "enough")
    report = gone_back(tree)
    assert (report.generation, report.back_to[0]) == (4, 1)
    assert (served(tree), tree.module("other").VALUE) == ("good", 1)


def test_an_update_that_changes_no_answer_has_nothing_to_go_back_to(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    shop(tree)
    report = on_trial(tree, {"unused.py": "VALUE = 1\n"}, 0.2)
    assert report.ran == ()
    wait_until("the end of the trial", lambda: transfuse.status().trial is None)
    assert "the trial has ended, and cannot go back: nothing would change" in caplog.text
    assert transfuse.history()[-1].note.startswith("trial ended, and cannot go back")
    assert served(tree) == "good"


def test_a_worker_without_the_former_generation_goes_on_if_no_other_takes_it_along(
    tree: LiveTree, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_watch, "_PAUSE", 0.01)
    monkeypatch.setattr(trial_watch, "_OVERDUE", 0.1)
    shop(tree)
    told = {"key": "k", "seconds": 9.0, "left": 0.1, "round": 2, "generation": 2, "back_to": 1}
    trial.join(told)
    assert transfuse.status().trial is not None
    wait_until("the end of the trial", lambda: transfuse.status().trial is None)
    assert "no process has the generation any more that it goes back to" in caplog.text
    # Told again, it knows that it is over.
    trial.join(told)
    assert transfuse.status().trial is None


FORKED = """
    import threading
    import val
    def gone_back():
        back = threading.Event()
        transfuse.on_update(lambda report: report.outcome == "rolled back" and back.set())
        if transfuse.status().trial is None:
            back.set()
        assert back.wait(20)
        assert transfuse.import_module("val").VALUE == "good"
    with open("val.py", "w") as file:
        file.write("VALUE = 'bad'\\n")
    transfuse.update(confirm_within=2)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            gone_back()
            code = 0
        finally:
            os._exit(code)
    gone_back()
    assert os.waitpid(child, 0)[1] == 0
    print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_on_trial_too(tmp_path: Path) -> None:
    (tmp_path / "val.py").write_text(GOOD)
    assert python(tmp_path, LIVE, FORKED, flags=("-W", "ignore")) == ["both"]


def test_uninstall_ends_it(tree: LiveTree) -> None:
    shop(tree)
    on_trial(tree, {"val.py": BAD}, 0.2)
    transfuse.uninstall()
    wait_until("the thread of the trial ends", lambda: not threads())
