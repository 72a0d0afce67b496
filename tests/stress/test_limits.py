"""Code that does not end by itself: updates that loop, and units of work that go on for ever."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from support.interpreter import python
from support.threads import Worker
from transfuse.errors import StillInUseError, TimeLimitExceeded

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree

# The loop that catches calls something: without that Python 3.10 runs no other thread, Ctrl-C
# included (it does not look for such wishes at a jump to the beginning of a `try`).
ENDLESS = {
    "a loop": "while True: pass\n",
    "one that catches": "while True:\n    try: len(())\n    except Exception: pass\n",
    "an iterator": "from itertools import count\nfor _ in count(): pass\n",
    "a hook": "def __migrate__(previous):\n    while True: pass\n",
    "one that waits for itself": "import threading\nwhile not threading.Event().wait(0.01): pass\n",
}


@pytest.mark.parametrize("way", ENDLESS)
def test_p4_code_that_does_not_end_is_ended_and_refused(
    tree: LiveTree, policy: str, way: str
) -> None:
    tree.write({"shop.py": "N = 1\n", "web.py": "import shop\n"})
    tree.install(policy=policy, time_limit=0.2)
    web = tree.module("web")
    report = tree.update({"shop.py": f"N = 2\n{ENDLESS[way]}"})
    assert report.outcome == "refused"
    assert isinstance(report.error, TimeLimitExceeded)
    assert "shop.py" in report.traceback
    assert (web.shop.N, transfuse.status().generation) == (1, 1)
    tree.published({"shop.py": "N = 3\n"})
    assert tree.module("web").shop.N == 3


def test_a_quick_update_is_not_disturbed_by_the_limit(tree: LiveTree) -> None:
    tree.write({"shop.py": "N = 0\n"})
    tree.install(time_limit=0.05)
    tree.module("shop")
    for number in range(1, 60):
        tree.published({"shop.py": f"N = {number}\nfor _ in range(20_000): pass\n"})
        assert number == tree.module("shop").N


_PROFILED = """
    import faulthandler, os, sys, threading, transfuse
    from pathlib import Path
    faulthandler.dump_traceback_later(20, exit=True)
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 1\\ndef f(): return N\\n")
    transfuse.install(roots=[root], watch=False, time_limit=LIMIT)
    transfuse.import_module("shop")
    (root / "shop.py").write_text("N = 2\\nBODY\\ndef f(): return N\\n")
    assert transfuse.update().outcome == "OUTCOME"
    seen = []
    threading.setprofile(lambda frame, event, _: seen.append(event))
    sys.setprofile(lambda frame, event, _: seen.append(event))
    transfuse.import_module("shop").f()
    sys.setprofile(None)
    assert "call" in seen and "return" in seen
    sys.settrace(lambda *_: None)
    transfuse.import_module("shop").f()
    sys.settrace(None)
    print("goes on")
"""


@pytest.mark.parametrize(
    ("body", "limit", "outcome"),
    [("pass", "600", "published"), ("while True: len(())", "0.2", "refused")],
)
def test_code_is_profiled_and_traced_after_an_update(
    tmp_path: Path, body: str, limit: str, outcome: str
) -> None:
    """In Python 3.11 the interpreter stood still: it was told of an exception that did not come."""
    code = _PROFILED.replace("BODY", body).replace("LIMIT", limit).replace("OUTCOME", outcome)
    assert python(tmp_path, code) == ["goes on"]


class Pinned:
    """Units of work that end when they are told to."""

    def __init__(self) -> None:
        self._go: list[threading.Event] = []
        self._workers: list[Worker[Any]] = []

    def begin(self, what: str) -> None:
        begun, go = threading.Event(), threading.Event()

        def work() -> None:
            with transfuse.pin(what):
                begun.set()
                go.wait(CAP)

        self._go.append(go)
        self._workers.append(Worker(work))
        assert begun.wait(CAP)

    def end(self) -> None:
        self._go.pop(0).set()
        self._workers.pop(0).result()


def test_p8_no_more_generations_stay_in_use_than_is_allowed(tree: LiveTree) -> None:
    tree.write({"shop.py": "N = 1\n"})
    tree.install(watch=True, resident=2)
    tree.module("shop")
    pinned = Pinned()
    for number in (2, 3):
        pinned.begin(f"GET /export/{number}")
        tree.published({"shop.py": f"N = {number}\n"})
    assert [generation for generation, _ in transfuse.status().draining] == [1, 2]
    pinned.begin("GET /report")
    report = tree.update({"shop.py": "N = 4\n"})
    assert report.outcome == "refused"
    assert isinstance(report.error, StillInUseError)
    words = str(report.error)
    assert "2 former generations are still in use, generation 1 by GET /export/2 for" in words
    assert "resident is 2" in words
    assert (tree.module("shop").N, transfuse.status().generation) == (3, 3)
    assert [unit.what for unit in transfuse.status().units] == ["GET /export/2", "GET /export/3"]
    # No unit of work is ended by force. When one is over, the update happens by itself.
    seen = len(tree.reports)
    pinned.end()
    tree.wait(lambda report: report.outcome == "published", after=seen)
    assert tree.module("shop").N == 4
    pinned.end()
    pinned.end()


def test_what_is_not_in_use_does_not_count(tree: LiveTree) -> None:
    tree.write({"shop.py": "N = 0\n"})
    tree.install(resident=1, keep=5)
    tree.module("shop")
    for number in range(1, 10):
        tree.published({"shop.py": f"N = {number}\n"})
    assert len(transfuse.status().kept) == 5
