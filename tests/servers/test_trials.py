"""A trial of several workers is one: it begins, goes back and is confirmed in all of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from crowd import CAP, Crowd, wait_for

from demo.client import Client
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

LONG = 600


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    root = tmp_path / "site"
    root.mkdir()
    crowd = Crowd(root, tmp_path)
    crowd.settings["watch"] = False
    crowd.write(shop="VALUE = 1\n")
    yield crowd
    crowd.end()


def on_trial(worker: Any, seconds: float = LONG) -> None:
    outcome = worker.ask(f"transfuse.update(confirm_within={seconds}).outcome")
    assert outcome == "published", worker.log


def trials(*workers: Any) -> list[Any]:
    return [
        worker.ask("(lambda t: t and [t.generation, t.back_to])(" + TRIAL + ")")
        for worker in workers
    ]


TRIAL = "transfuse.status().trial"
KEY = "__import__('transfuse.updates.trial').updates.trial.told()['key']"
ALARM = "__import__('transfuse.updates.trial').updates.trial.alarm({key!r}, 'enough')"


def alarm(worker: Any) -> None:
    worker.ask(ALARM.format(key=worker.ask(KEY)))


def test_p16_what_one_was_asked_for_is_on_trial_in_all(crowd: Crowd) -> None:
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(second, 3)
    crowd.all_serve(2, 2)
    assert trials(first, second) == [[2, 1], [2, 1]]
    assert first.ask(KEY) == second.ask(KEY)
    # All have a clock, and it is one rollback.
    crowd.all_serve(3, 1)
    for worker in (first, second):
        wait_for("the line", lambda w=worker: "rolled back in" in w.log)  # type: ignore[misc]
        assert "not confirmed within 3 s: back to generation 1" in worker.log
        assert worker.log.count("rolled back in") == 1
        assert len(worker.ask("[str(p) for p in transfuse.status().set_aside]")) == 1
    assert trials(first, second) == [None, None]


def test_p16_confirmed_in_one_it_stays_in_all(crowd: Crowd) -> None:
    workers = [crowd.start() for _ in range(3)]
    crowd.write(shop="VALUE = 2\n")
    on_trial(workers[0])
    crowd.all_serve(2, 2)
    assert workers[1].ask("transfuse.confirm().generation") == 2
    for worker in workers:
        worker.until(f"{TRIAL} is None", True)
        wait_for("the line", lambda w=worker: "confirmed: generation 2 stays" in w.log)  # type: ignore[misc]
    crowd.write(shop="VALUE = 3\n")
    workers[2].ask("transfuse.update().outcome")
    crowd.all_serve(3, 3)
    assert trials(*workers) == [None] * 3


def test_p16_one_that_goes_back_takes_all_along_and_a_save_in_between(crowd: Crowd) -> None:
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(first)
    crowd.write(shop="VALUE = 3\n")
    assert second.ask("transfuse.update().outcome") == "published"
    crowd.all_serve(3, 3)
    assert trials(first, second) == [[2, 1], [2, 1]]
    alarm(second)
    crowd.all_serve(4, 1)
    for worker in (first, second):
        wait_for("the line", lambda w=worker: "rolled back in" in w.log)  # type: ignore[misc]
        assert "enough: back to generation 1" in worker.log
    assert trials(first, second) == [None, None]


@pytest.mark.parametrize("victim", [0, 1])
def test_p16_a_worker_that_starts_during_a_trial_is_part_of_it(crowd: Crowd, victim: int) -> None:
    workers = [crowd.start(), crowd.start()]
    crowd.write(shop="VALUE = 2\n")
    on_trial(workers[0])
    crowd.all_serve(2, 2)
    workers.pop(victim).kill()
    late = crowd.start()
    assert late.served == [2, 2]
    late.until(f"{TRIAL} is not None", True)
    assert trials(late, *workers) == [[2, 1], [2, 1]]
    assert late.ask(KEY) == workers[0].ask(KEY)
    # It has never had the former generation, and goes back with the other.
    alarm(workers[0])
    crowd.all_serve(3, 1)
    assert trials(late, *workers) == [None, None]
    wait_for("the line", lambda: "enough: back to generation 1" in late.log)


def test_p16_a_confirmation_refuses_a_rollback_that_others_are_about_to_make(crowd: Crowd) -> None:
    """One has not heard of it: all stay, or all go back."""
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(first)
    crowd.all_serve(2, 2)
    # The others are not told.
    second.ask("setattr(__import__('transfuse.updates.trial').updates.trial, '_others', None)")
    assert second.ask("transfuse.confirm().generation") == 2
    alarm(first)
    wait_for("a refusal", lambda: "confirmed meanwhile" in first.log)
    crowd.all_serve(2, 2)


def test_a_rollback_by_hand_ends_the_trial_of_all(crowd: Crowd) -> None:
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(first)
    crowd.all_serve(2, 2)
    assert second.ask("transfuse.rollback().outcome") == "rolled back"
    crowd.all_serve(3, 1)
    assert trials(first, second) == [None, None]
