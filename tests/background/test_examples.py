"""The examples of a worker loop and of a scheduler take edits while they run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from program import Program, example

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Program]:
    pytest.importorskip("click")
    with contextlib.closing(_Ended(Program(example("worker", tmp_path), ["worker.py"]))) as ended:
        yield ended.program


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Program]:
    pytest.importorskip("click")
    program = Program(example("scheduler", tmp_path), ["scheduler.py", "0.05"])
    with contextlib.closing(_Ended(program)) as ended:
        yield ended.program


class _Ended:
    def __init__(self, program: Program) -> None:
        self.program = program

    def close(self) -> None:
        self.program.end()


def test_the_worker_does_each_job_by_the_code_of_its_time(worker: Program) -> None:
    worker.say("tea milk")
    assert worker.hear("job 1") == "job 1: 2 sold"
    worker.edit("jobs.py", "sold", "packed")
    worker.hear("updated", "jobs.py changed")
    worker.say("tea")
    assert worker.hear("job 2") == "job 2: 1 packed"
    # Two functions that belong together, in one edit.
    worker.edit("jobs.py", "return line.split()", "return {'goods': line.split()}")
    worker.hear("updated", "jobs.py changed")
    worker.edit("jobs.py", "len(goods)", "goods['goods']")
    worker.hear("updated", "jobs.py changed")
    worker.say("tea")
    assert worker.hear("job 3") == "job 3: ['tea'] packed"


def test_the_worker_goes_on_with_the_old_code_after_a_broken_edit(worker: Program) -> None:
    worker.say("tea")
    worker.hear("job 1: 1 sold")
    worker.edit("jobs.py", "return line.split()", "return line.split(")
    worker.hear("refused", "jobs.py")
    worker.say("tea milk")
    worker.hear("job 2: 2 sold")


def test_the_scheduler_runs_what_the_report_says_now(scheduler: Program) -> None:
    scheduler.hear("all is well")
    scheduler.edit("reports.py", "all is well", "all is better")
    scheduler.hear("all is better")
