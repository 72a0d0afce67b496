"""Which updates ask for fresh processes, and what these start without."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import CAP
from transfuse.errors import ContentGone, Outdated, PolicyError, StartupFailed, StillInUseError
from transfuse.handover.occasions import Occasions, is_held, left_behind
from transfuse.handover.packages import Installed
from transfuse.updates import trial
from transfuse.updates.reports import Report, Restart

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LiveTree

NEVER = Restart("shop.conf", "never-policy", 'its policy is "never"')
PACKAGES = Restart("requirements.txt", "requirement", "it asks for other packages")


class Asked:
    """Occasions, and how often they asked."""

    def __init__(self, *, can_ask: bool = True) -> None:
        self.times = 0
        self.gone_back = 0
        # What was said with the last of them.
        self.waits = False
        self.occasions = Occasions(self._ask if can_ask else None, self._go_back)

    def _ask(self) -> None:
        self.times += 1

    def _go_back(self, waits: bool) -> None:
        self.gone_back += 1
        self.waits = waits


def told(log: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in log.records)


def test_what_cannot_be_made_in_place_is_handed_over_once(tree: LiveTree) -> None:
    tree.install(handover="auto")
    asked = Asked()
    asked.occasions.hear(Report("published", 2, restart=(NEVER,)))
    assert asked.times == 1
    # The same still waits after an update that serves nothing else: it was tried.
    asked.occasions.hear(Report("unchanged", 2, restart=(NEVER,)))
    asked.occasions.hear(Report("refused", 2, restart=(NEVER,)))
    assert asked.times == 1
    # It changes again.
    asked.occasions.hear(Report("unchanged", 3))
    asked.occasions.hear(Report("published", 4, restart=(NEVER,)))
    assert asked.times == 2


def test_during_a_trial_it_waits_until_that_is_confirmed(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    """Fresh processes could not go back."""
    tree.write({"shop.py": "VALUE = 1\n"})
    tree.install(handover="auto")
    tree.module("shop")
    asked = Asked()
    tree.write({"shop.py": "VALUE = 2\n"})
    assert transfuse.update(confirm_within=600).outcome == "published"
    asked.occasions.hear(Report("published", 2, restart=(NEVER,)))
    assert asked.times == 0
    assert "handed over when what is on trial is confirmed" in told(caplog)
    transfuse.confirm()
    wait_until(lambda: asked.times == 1)


def test_what_only_fresh_processes_can_serve_is_not_served_when_a_trial_was_asked_for(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.install(handover="auto")
    asked = Asked()
    with trial.wanting(600):
        asked.occasions.hear(Report("unchanged", 1, restart=(NEVER,)))
    assert asked.times == 0
    assert "cannot change in a running process, and cannot be on trial: " in told(caplog)
    assert "transfuse handover serves from fresh processes" in told(caplog)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CAP
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)  # polled: the cap says when it failed


@pytest.mark.parametrize("repair", [Report("published", 3), Report("unchanged", 2, fixed=True)])
def test_what_still_waits_is_tried_again_when_something_else_was_repaired(
    tree: LiveTree, repair: Report
) -> None:
    """Fresh processes may have failed because of that."""
    tree.install(handover="auto")
    asked = Asked()
    asked.occasions.hear(Report("published", 2, restart=(NEVER,)))
    asked.occasions.hear(replace(repair, restart=(NEVER,)))
    assert asked.times == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"handover": "ask", "watch": True}, "transfuse handover serves from fresh processes"),
        ({"watch": False}, "transfuse handover serves from fresh processes"),
        ({"handover": "never"}, "the setting handover is never"),
    ],
    ids=["ask", "without watching", "never"],
)
def test_otherwise_it_is_told_what_to_do(
    tree: LiveTree, caplog: pytest.LogCaptureFixture, settings: dict[str, object], words: str
) -> None:
    tree.install(**settings)  # type: ignore[arg-type]
    asked = Asked()
    asked.occasions.hear(Report("published", 2, restart=(NEVER,)))
    assert asked.times == 0
    assert "shop.conf cannot change in a running process" in told(caplog)
    assert words in told(caplog)


@pytest.mark.parametrize(
    ("word", "words"),
    [("auto", "fresh processes take over"), ("ask", "transfuse handover serves")],
)
def test_other_packages_are_installed_first(
    tree: LiveTree, caplog: pytest.LogCaptureFixture, word: str, words: str
) -> None:
    tree.install(handover=word)
    asked = Asked()
    asked.occasions.hear(Report("unchanged", 1, restart=(PACKAGES,)))
    assert asked.times == 0
    assert f"when the packages are installed: {words}" in told(caplog)


def test_packages_that_are_in_use_are_handed_over(tree: LiveTree) -> None:
    tree.install(handover="auto")
    asked = Asked()
    asked.occasions.installed([Installed("heron", "1.0", "2.0", is_loaded=False)])
    assert asked.times == 0
    asked.occasions.installed([Installed("stork", "1.0", "2.0", is_loaded=True)])
    assert asked.times == 1
    assert [each.name for each in transfuse.status().restart] == ["stork"]
    # As they were before: nothing waits any more.
    asked.occasions.installed([])
    assert transfuse.status().restart == ()
    assert asked.times == 1


def test_what_would_take_longer_in_place_is_left_to_fresh_processes(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.install(handover="auto")
    asked = Asked()
    if not left_behind():
        assert asked.occasions.costs_more("it takes 5 s")
    # Not where that would lose what only this process has.
    tree.write({"cache.py": '__preserve__ = ["CACHE"]\nCACHE = {}\n'})
    tree.module("cache")
    assert not asked.occasions.costs_more("it takes 5 s")
    assert "fresh processes start without cache.CACHE (preserved)" in told(caplog)


def test_what_was_taken_back_needs_no_fresh_processes(tree: LiveTree) -> None:
    tree.install(handover="auto")
    asked = Asked()
    asked.occasions.hear(Report("published", 2, restart=(NEVER,)))
    asked.occasions.hear(Report("unchanged", 2, fixed=True))
    assert (asked.gone_back, asked.waits) == (1, False)


def test_under_another_server_it_is_told_what_to_type(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.install(handover="auto")
    asked = Asked(can_ask=False)
    asked.occasions.hear(Report("published", 2, restart=(NEVER,)))
    assert "restart the server" in told(caplog)


def test_it_is_told_before_what_fresh_processes_start_without(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write(
        {
            "cache.py": '__preserve__ = ["CACHE", "LOCK"]\nCACHE = {}\nLOCK = None\n',
            "web.py": 'import transfuse, cache\nMODEL = transfuse.once("behind", dict)\n',
        }
    )
    tree.install(handover="auto")
    # Values of `once` never leave: those of other tests are there too.
    assert "preserved" not in left_behind()
    assert "'behind'" not in left_behind()
    tree.module("web")
    assert left_behind().startswith("cache.CACHE (preserved), cache.LOCK (preserved), ")
    assert "'behind' of web (once)" in left_behind()
    caplog.set_level(logging.INFO)
    Asked().occasions.hear(Report("published", 2, restart=(NEVER,)))
    assert "fresh processes start without cache.CACHE (preserved)" in told(caplog)


def test_a_rollback_is_told_and_so_is_what_is_accepted(tree: LiveTree) -> None:
    tree.write({"a.py": "VALUE = 1\n"})
    tree.install()
    tree.module("a")
    asked = Asked()
    asked.occasions.hear(tree.published({"a.py": "VALUE = 2\n"}))
    assert asked.gone_back == 0
    asked.occasions.hear(transfuse.rollback())
    assert asked.gone_back == 1
    asked.occasions.hear(transfuse.accept())
    assert asked.gone_back == 2


def raised_by(tree: LiveTree, text: str) -> BaseException:
    """The exception with which an update to this text is refused."""
    tree.write({"shop.py": "VALUE = 1\n"})
    tree.install()
    tree.module("shop")
    report = tree.update({"shop.py": text})
    assert report.error is not None
    return report.error


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("import json\nVALUE = json.loads('{')\n", True),
        ("VALUE = 1 / 0\n", False),
        ("VALUE =\n", False),
        ("import nothing_like_that\n", False),
        ("VALUE = undefined\n", False),
    ],
    ids=["a library", "the code itself", "syntax", "an import", "a name"],
)
def test_what_a_library_refuses_fresh_processes_may_load(
    tree: LiveTree, text: str, held: bool
) -> None:
    assert is_held(raised_by(tree, text), [str(tree.root)]) is held


@pytest.mark.parametrize(
    ("error", "held"),
    [
        (StillInUseError("32 generations are in use"), True),
        (ContentGone("gone"), True),
        (Outdated("later files"), False),
        (StartupFailed("no database"), False),
        (PolicyError(path="a.py", line=1, name="__reload__", value="'x'", allowed="y"), False),
        (None, False),
    ],
)
def test_what_we_refuse_fresh_processes_may_load_unless_it_is_a_mistake(
    error: BaseException | None, held: bool
) -> None:
    assert is_held(error, ["/srv/site"]) is held
