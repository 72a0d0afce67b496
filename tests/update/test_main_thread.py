"""A module that says `__thread__ = "main"` runs there in an update, as in a fresh process."""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree
    from transfuse import Report

DB = """
import threading
VALUE = {value}
thread = threading.current_thread()
local = threading.local()
local.value = VALUE
"""
HERE = '__thread__ = "main"\n'


@pytest.fixture(autouse=True)
def usr1() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def from_another_thread(tree: LiveTree, files: dict[str, str]) -> Report:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(tree.update, files).result(30)


def in_a_loop(tree: LiveTree, files: dict[str, str]) -> tuple[Report, bool]:
    """Update while an event loop runs in the main thread; and whether that has gone on."""

    async def main() -> tuple[Report, bool]:
        report = await asyncio.to_thread(tree.update, files)
        return report, await asyncio.to_thread(lambda: True)

    return asyncio.run(main())


@pytest.mark.parametrize("lends", ["a loop", "an update that is waited for"])
def test_p5_a_module_runs_in_the_main_thread(tree: LiveTree, policy: str, lends: str) -> None:
    use = "import shop.db\nthread = shop.db.threading.current_thread()\n"
    tree.write({"shop/__init__.py": "", "shop/db.py": HERE + DB.format(value=1), "app.py": use})
    tree.install(policy=policy)
    tree.module("app")
    edit = {"shop/db.py": HERE + DB.format(value=2)}
    report = in_a_loop(tree, edit)[0] if lends == "a loop" else tree.update(edit)
    assert report.outcome == "published", report.error
    db = tree.module("shop.db")
    assert (db.VALUE, db.thread, db.local.value) == (2, threading.main_thread(), 2)
    # With it all modules of the update: its importer begins first, and imports it.
    assert tree.module("app").thread is threading.main_thread()


@pytest.mark.parametrize("word", ["main", "update"])
def test_p5_the_settings_say_it_and_the_module_has_the_last_word(tree: LiveTree, word: str) -> None:
    own = f"__thread__ = {word!r}\n"
    tree.write({"said.py": DB.format(value=1), "own.py": own + DB.format(value=1)})
    tree.install(modules={"*": {"thread": "main" if word == "update" else "update"}})
    tree.module("said"), tree.module("own")
    assert tree.update({"own.py": own + DB.format(value=2)}).outcome == "published"
    is_main = tree.module("own").thread is threading.main_thread()
    assert tree.module("own").VALUE == 2
    if word == "main":
        assert is_main
    assert tree.update({"said.py": DB.format(value=2)}).outcome == "published"
    assert (tree.module("said").thread is threading.main_thread()) == (word == "update")


def test_p5_a_new_module_says_it(tree: LiveTree, policy: str) -> None:
    tree.write({"shop/__init__.py": "", "app.py": "runs = 1\n"})
    tree.install(policy=policy)
    tree.module("app")
    files = {"shop/db.py": HERE + DB.format(value=1), "app.py": "import shop.db\n"}
    report, goes_on = in_a_loop(tree, files)
    assert (report.outcome, goes_on) == ("published", True), report.error
    assert tree.module("app").shop.db.thread is threading.main_thread()


def test_p4_nothing_lends_the_main_thread(tree: LiveTree) -> None:
    tree.write({"db.py": HERE + DB.format(value=1)})
    tree.install()
    tree.module("db")
    report = from_another_thread(tree, {"db.py": HERE + DB.format(value=2)})
    assert report.outcome == "refused"
    assert "an event loop of asyncio that runs in the main thread" in str(report.error)
    assert tree.module("db").VALUE == 1


def test_p4_a_signal_handler_is_set_when_the_update_is_published(tree: LiveTree) -> None:
    code = HERE + "import signal\ndef handler(number, frame): pass\n"
    code += "signal.signal(signal.SIGUSR1, handler)\n"
    tree.write({"handlers.py": code, "late.py": "import handlers\n"})
    tree.install()
    first = tree.module("late").handlers.handler
    assert signal.getsignal(signal.SIGUSR1) is first
    seen = "import handlers, signal\nseen = signal.getsignal(signal.SIGUSR1)\n"
    edit = {"handlers.py": code + "# new\n", "late.py": seen + "1 / 0\n"}
    report = tree.update(edit)
    assert (report.outcome, type(report.error)) == ("refused", ZeroDivisionError)
    assert signal.getsignal(signal.SIGUSR1) is first
    report = tree.update({"late.py": seen})
    assert report.outcome == "published"
    assert tree.module("late").seen is first
    assert signal.getsignal(signal.SIGUSR1) is tree.module("handlers").handler is not first


def test_p4_a_handler_of_a_module_that_raises_is_taken_back(tree: LiveTree) -> None:
    code = HERE + "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\n"
    tree.write({"handlers.py": code})
    tree.install()
    tree.module("handlers")
    first = signal.getsignal(signal.SIGUSR1)
    assert tree.update({"handlers.py": code + "1 / 0\n"}).outcome == "refused"
    assert signal.getsignal(signal.SIGUSR1) is first


def test_p4_the_time_limit_ends_it_and_the_loop_goes_on(tree: LiveTree) -> None:
    tree.write({"db.py": HERE + "VALUE = 1\n"})
    tree.install(time_limit=0.5)
    tree.module("db")
    report, goes_on = in_a_loop(tree, {"db.py": HERE + "VALUE = 2\nwhile True: pass\n"})
    assert (report.outcome, goes_on) == ("refused", True)
    assert "time_limit" in str(report.error)
    assert tree.module("db").VALUE == 1
    assert tree.update({"db.py": HERE + "VALUE = 3\n"}).outcome == "published"
    assert tree.module("db").VALUE == 3


def test_p4_a_newer_save_ends_it_in_the_main_thread(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()
    monkeypatch.setattr(threading, "reached_by_test", reached, raising=False)
    hangs = "import threading\nthreading.reached_by_test.set()\nwhile True: pass\n"
    tree.write({"db.py": HERE + "VALUE = 1\n"})
    tree.install(watch=True)
    tree.module("db")

    async def main() -> Any:
        tree.write({"db.py": HERE + "VALUE = 2\n" + hangs})
        assert await asyncio.to_thread(reached.wait, 30)
        # The loop's thread is inside the module, and this one goes on when that is over.
        return await asyncio.to_thread(tree.wait, lambda report: report.outcome == "published")

    def save() -> None:
        reached.wait(30)
        tree.write({"db.py": HERE + "VALUE = 3\n"})

    with ThreadPoolExecutor(1) as pool:
        saved = pool.submit(save)
        asyncio.run(main())
        saved.result(30)
    assert tree.module("db").VALUE == 3


def test_p4_a_busy_loop_is_not_waited_for_for_ever(tree: LiveTree) -> None:
    tree.write({"db.py": HERE + "VALUE = 1\n"})
    tree.install(time_limit=0.5)
    tree.module("db")
    over = threading.Event()

    async def main() -> Any:
        with ThreadPoolExecutor(1) as pool:
            report = pool.submit(tree.update, {"db.py": HERE + "VALUE = 2\n"})
            report.add_done_callback(lambda _: over.set())
            # A callback that blocks the loop.
            assert over.wait(30)
            return report.result()

    report = asyncio.run(main())
    assert report.outcome == "refused"
    assert "busy for longer than the setting time_limit" in str(report.error)
    assert tree.module("db").VALUE == 1


def test_p16_a_rollback_runs_it_there(tree: LiveTree) -> None:
    code = HERE + DB + "def __dispose__(): pass\n"
    tree.write({"db.py": code.format(value=1)})
    tree.install()
    tree.module("db")
    tree.published({"db.py": code.format(value=2)})
    transfuse.rollback()
    assert tree.module("db").VALUE == 1
    assert tree.module("db").thread is threading.main_thread()


def test_p4_an_interrupt_is_for_the_program(tree: LiveTree) -> None:
    tree.write({"db.py": HERE + "VALUE = 1\n"})
    tree.install()
    tree.module("db")
    presses = "import signal\nsignal.raise_signal(signal.SIGINT)\nVALUE = 2\n"
    with pytest.raises(KeyboardInterrupt):
        tree.update({"db.py": HERE + presses})
    assert tree.module("db").VALUE == 1


def test_p4_a_word_that_makes_no_sense(tree: LiveTree) -> None:
    tree.write({"db.py": "VALUE = 1\n"})
    tree.install()
    tree.module("db")
    report = tree.update({"db.py": '__thread__ = "server"\n'})
    assert report.outcome == "refused"
    assert 'allowed: one of "main", "update"' in str(report.error)
    assert transfuse.status().generation == 1
