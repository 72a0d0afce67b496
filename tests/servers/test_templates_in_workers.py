"""P3, P16: what code reads by generation, such as a template, switches in all workers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crowd import Crowd, Worker, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    root = tmp_path / "site"
    root.mkdir()
    crowd = Crowd(root, tmp_path)
    crowd.write(shop="VALUE = 1\n")
    page(crowd, "good")
    yield crowd
    crowd.end()


def page(crowd: Crowd, text: str, name: str = "page.txt") -> None:
    beside = crowd.root / "new"
    beside.write_text(text)
    beside.replace(crowd.root / name)


def read(crowd: Crowd, name: str = "page.txt") -> str:
    return f"transfuse.read_text({str(crowd.root / name)!r})"


def aside(worker: Worker) -> object:
    return worker.ask("[each.rpartition('/')[2] for each in transfuse.status().set_aside]")


def test_p16_a_rollback_of_a_template_is_one_in_all_workers(crowd: Crowd) -> None:
    workers = [crowd.start(), crowd.start()]
    for worker in workers:
        assert worker.ask(read(crowd)) == "good"
    page(crowd, "bad")
    for worker in workers:
        worker.until(read(crowd), "bad")
    # It has not read it yet.
    late = crowd.start()
    assert workers[0].ask("transfuse.rollback().outcome") == "rolled back"
    for worker in (*workers, late):
        worker.until(read(crowd), "good")
        wait_for("it is told", lambda worker=worker: "rolled back in" in worker.log)  # type: ignore[misc]
        assert aside(worker) == ["page.txt"]
    # For good: also in a worker that is started later.
    crowd.write(other="VALUE = 1\n")
    assert crowd.start().ask(read(crowd)) == "good"
    assert workers[1].ask("transfuse.accept().outcome") == "published"
    for worker in (*workers, late):
        worker.until(read(crowd), "bad")


def test_p3_a_template_switches_in_all_workers_together(crowd: Crowd) -> None:
    """Also in one that has not read it, which has nothing to stage."""
    first, second, third = crowd.start(), crowd.start(), crowd.start()
    for worker in (first, second):
        assert worker.ask(read(crowd)) == "good"
    page(crowd, "better")
    for worker in (first, second):
        worker.until(read(crowd), "better")
    # Each has read another one.
    page(crowd, "mail", "mail.txt")
    assert third.ask(read(crowd, "mail.txt")) == "mail"
    page(crowd, "best")
    page(crowd, "mails", "mail.txt")
    for worker in (first, second):
        worker.until(read(crowd), "best")
    third.until(read(crowd, "mail.txt"), "mails")
    # And source after that.
    crowd.write(shop="VALUE = 2\n")
    for worker in (first, second, third):
        worker.until("served()[1]", 2)
        assert "refused" not in worker.log


def test_p16_data_that_a_module_has_read_goes_back_in_all_workers(crowd: Crowd) -> None:
    (crowd.root / "rates.txt").write_text("1")
    crowd.write(
        shop="import os\nVALUE = int(open(os.path.dirname(__file__) + '/rates.txt').read())\n"
    )
    workers = [crowd.start(), crowd.start()]
    page(crowd, "2", "rates.txt")
    for worker in workers:
        worker.until("served()[1]", 2)
    page(crowd, "3", "rates.txt")
    for worker in workers:
        worker.until("served()[1]", 3)
    assert workers[1].ask("transfuse.rollback(to=1).outcome") == "rolled back"
    for worker in workers:
        worker.until("served()[1]", 1)
        assert aside(worker) == ["rates.txt"]
    crowd.write(other="VALUE = 1\n")
    for worker in workers:
        assert worker.ask("served()[1]") == 1


def test_data_that_a_worker_has_never_had_is_told_by_it(crowd: Crowd) -> None:
    """No content of it is kept, so there is nothing that it could load."""
    (crowd.root / "rates.txt").write_text("1")
    crowd.write(
        shop="import os\nVALUE = int(open(os.path.dirname(__file__) + '/rates.txt').read())\n"
    )
    first = crowd.start()
    page(crowd, "2", "rates.txt")
    first.until("served()[1]", 2)
    late = crowd.start()
    assert first.ask("transfuse.rollback().outcome") == "rolled back"
    assert first.ask("served()[1]") == 1
    wait_for("a warning", lambda: "has never had their former content" in late.log)
    assert "rates.txt" in late.log
    # Both go on together.
    for value in (3, 4):
        page(crowd, str(value), "rates.txt")
        for worker in (first, late):
            worker.until("served()[1]", value)
            assert "refused" not in worker.log
