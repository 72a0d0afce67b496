"""Asking for an update, hearing of one, and being installed at all."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import CAP
from transfuse.errors import GenerationError, NotInstalledError, TransfuseError

if TYPE_CHECKING:
    from conftest import LiveTree
    from transfuse.updates.reports import Report


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    tree.write({"prices.py": "PRICE = 1"})
    tree.install()
    tree.module("prices")
    return tree


def test_a_callback_hears_each_update_until_it_is_unsubscribed(shop: LiveTree) -> None:
    heard: list[int] = []
    stop = transfuse.on_update(lambda report: heard.append(report.generation))
    shop.update({"prices.py": "PRICE = 2"})
    stop()
    stop()
    shop.update({"prices.py": "PRICE = 3"})
    assert heard == [2]


def test_a_callback_that_raises_hurts_nobody(
    shop: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Report] = []

    def fail(report: Report) -> None:
        raise LookupError(report.outcome)

    stops = [transfuse.on_update(fail), transfuse.on_update(heard.append)]
    shop.published({"prices.py": "PRICE = 2"})
    for stop in stops:
        stop()
    assert len(heard) == 1
    assert "a callback of transfuse.on_update() failed" in caplog.text


def test_an_update_is_logged_in_a_line(shop: LiveTree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "transfuse")
    shop.published({"prices.py": "PRICE = 2"})
    records = [each for each in caplog.records if each.name == "transfuse"]
    assert [(each.levelname, each.getMessage().split(" ms")[1]) for each in records] == [
        ("INFO", ": prices.py changed; ran prices; serving generation 2")
    ]


def test_p4_a_refused_update_is_logged_with_the_users_frames(
    shop: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "transfuse")
    report = shop.update({"prices.py": "PRICE = 2\nPRICE.nothing"})
    assert (report.outcome, report.generation, type(report.error)) == ("refused", 1, AttributeError)
    (record,) = [each for each in caplog.records if each.name == "transfuse"]
    first, *frames, last = record.getMessage().splitlines()
    assert record.levelname == "ERROR"
    assert first.startswith("refused: prices.py, line 2: AttributeError: 'int' object has no")
    files = [line.split('"')[1] for line in frames if line.startswith("  File ")]
    assert files == [str(shop.root / "prices.py")]
    assert last == "still serving generation 1; save a repair and it is tried again"
    assert transfuse.import_module("prices").PRICE == 1


def test_the_plan_is_logged_for_those_who_want_it(
    shop: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "transfuse")
    shop.published({"prices.py": "PRICE = 2"})
    lines = [each.getMessage() for each in caplog.records if each.levelname == "DEBUG"]
    expected = ["plan: changed  prices.py", "plan: run      prices  (changed)"]
    assert [line for line in lines if line.startswith("plan: ")] == expected


def test_a_plan_runs_nothing(shop: LiveTree) -> None:
    shop.write({"prices.py": "PRICE = 2"})
    plan = transfuse.plan()
    assert [(each.name, each.reason) for each in plan.ran] == [("prices", "changed")]
    assert transfuse.status().generation == 1


def test_a_rollback_to_a_generation_that_is_not_kept(shop: LiveTree) -> None:  # noqa: ARG001
    with pytest.raises(GenerationError):
        transfuse.rollback(99)


@pytest.mark.parametrize("ask", ["update", "rollback", "status", "plan"])
def test_what_needs_an_installed_transfuse_says_so(ask: str) -> None:
    with pytest.raises(NotInstalledError, match=r"transfuse\.install\(\)"):
        getattr(transfuse, ask)()


def test_installing_twice_with_the_same_settings_does_nothing(shop: LiveTree) -> None:
    transfuse.install(roots=[shop.root], watch=False)


def test_installing_twice_with_others_names_the_difference(shop: LiveTree) -> None:
    with pytest.raises(TransfuseError) as caught:
        transfuse.install(roots=[shop.root], watch=False, keep=9)
    expected = (
        "Transfuse is installed already with other settings: keep is 3, not 9;"
        " call transfuse.uninstall() first"
    )
    assert str(caught.value) == expected


def test_sys_path_has_the_roots_in_their_order_and_gets_rid_of_them(tmp_path: Path) -> None:
    before = list(sys.path)
    roots = [str(tmp_path / "a"), str(tmp_path / "b")]
    for root in roots:
        Path(root).mkdir()
    transfuse.install(roots=roots, watch=False)
    assert sys.path == [*roots, *before]
    transfuse.uninstall()
    assert sys.path == before


def test_a_root_that_is_on_sys_path_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.path)
    transfuse.install(roots=[tmp_path], watch=False)
    assert sys.path == before
    transfuse.uninstall()
    assert sys.path == before


def test_who_needs_it_installs_with_the_settings_of_the_surroundings(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write({"prices.py": "PRICE = 1"})
    monkeypatch.chdir(tree.root)
    monkeypatch.setenv("TRANSFUSE_WATCH", "0")
    assert transfuse.import_module("prices").PRICE == 1
    assert transfuse.status().roots == (str(tree.root),)


def test_a_signal_ends_the_waiting_for_an_update_that_does_not_end(tree: LiveTree) -> None:
    go_on = threading.Event()
    outside = ModuleType("outside_of_signals")

    def wait() -> None:
        signal.raise_signal(signal.SIGUSR1)
        go_on.wait(CAP)

    outside.__dict__["wait"] = wait

    def interrupt(*_: object) -> None:
        raise InterruptedError

    sys.modules["outside_of_signals"] = outside
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        tree.write({"slow.py": "VALUE = 1\n"})
        tree.install()
        tree.module("slow")
        tree.write({"slow.py": "import outside_of_signals as o\no.wait()\nVALUE = 2\n"})
        with pytest.raises(InterruptedError):
            transfuse.update()
        go_on.set()
        tree.wait(lambda report: report.outcome == "published")
        assert tree.module("slow").VALUE == 2
    finally:
        go_on.set()
        signal.signal(signal.SIGUSR1, before)
        del sys.modules["outside_of_signals"]
