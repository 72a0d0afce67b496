"""APScheduler: a job that is given as `live` runs the current code; one that is kept does not."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

import transfuse
from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

SOON = 0.02


@pytest.fixture
def said(outside: Any) -> queue.Queue[str]:
    outside.said = queue.Queue()
    found: queue.Queue[str] = outside.said
    return found


@pytest.fixture
def scheduler(tree: LiveTree, said: queue.Queue[str]) -> Iterator[BackgroundScheduler]:  # noqa: ARG001
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/words.py": "WORD = 'one'",
            "shop/jobs.py": """
                import outside

                def tick():
                    from shop.words import WORD
                    outside.said.put(WORD)
                """,
        }
    )
    tree.install()
    assert tree.module("shop.jobs").tick
    scheduler = BackgroundScheduler()
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


def hears(said: queue.Queue[str], word: str) -> bool:
    """Wait until a job says it."""
    while said.get(timeout=CAP) != word:
        pass
    return True


def test_a_live_job_runs_the_new_code(
    tree: LiveTree, scheduler: BackgroundScheduler, said: queue.Queue[str]
) -> None:
    scheduler.add_job(transfuse.live("shop.jobs:tick"), "interval", seconds=SOON)
    assert hears(said, "one")
    tree.published({"shop/words.py": "WORD = 'two'"})
    assert hears(said, "two")
    jobs = tree.root.joinpath("shop/jobs.py").read_text(encoding="utf-8")
    tree.published({"shop/jobs.py": jobs.replace("put(WORD)", "put(WORD + ' and more')")})
    assert hears(said, "two and more")


def test_a_live_job_that_is_gone_fails_and_runs_again_when_it_is_back(
    tree: LiveTree, scheduler: BackgroundScheduler, said: queue.Queue[str]
) -> None:
    scheduler.add_job(transfuse.live("shop.jobs:tick"), "interval", seconds=SOON)
    jobs = tree.root.joinpath("shop/jobs.py").read_text(encoding="utf-8")
    failures: queue.Queue[BaseException] = queue.Queue()
    scheduler.add_listener(lambda event: failures.put(event.exception), 2**13)
    tree.published({"shop/jobs.py": jobs.replace("tick", "tock")})
    assert isinstance(failures.get(timeout=CAP), transfuse.TargetError)
    tree.published({"shop/jobs.py": jobs.replace("put(WORD)", "put('back')")})
    assert hears(said, "back")


def test_what_a_store_in_memory_was_given_by_name_it_keeps(
    tree: LiveTree, scheduler: BackgroundScheduler, said: queue.Queue[str]
) -> None:
    """APScheduler looks the name up once; docs/background.md says so."""
    kept = scheduler.add_job("shop.jobs:tick", "interval", seconds=3600)
    tree.published({"shop/words.py": "WORD = 'two'", "shop/jobs.py": "def tick(): 1 / 0"})
    kept.func()
    assert said.get(timeout=CAP) == "one"


def test_what_a_store_in_a_database_was_given_by_name_it_looks_up_each_time(
    tree: LiveTree, scheduler: BackgroundScheduler, said: queue.Queue[str]
) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tree.root.parent}/jobs.sqlite")
    scheduler.add_jobstore(store, "kept")
    scheduler.add_job("shop.jobs:tick", "interval", seconds=SOON, jobstore="kept")
    assert hears(said, "one")
    tree.published({"shop/words.py": "WORD = 'two'"})
    assert hears(said, "two")


def test_a_store_in_a_database_cannot_keep_a_live_function(
    tree: LiveTree, scheduler: BackgroundScheduler
) -> None:
    """It writes down where the class is, so that each run fails; docs/background.md says so."""
    store = SQLAlchemyJobStore(f"sqlite:///{tree.root.parent}/jobs.sqlite")
    scheduler.add_jobstore(store, "kept")
    failures: queue.Queue[BaseException] = queue.Queue()
    scheduler.add_listener(lambda event: failures.put(event.exception), 2**13)
    tick = transfuse.live("shop.jobs:tick")
    scheduler.add_job(tick, "interval", seconds=SOON, jobstore="kept")
    assert isinstance(failures.get(timeout=CAP), TypeError)
