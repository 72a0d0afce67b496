"""P4, one test for every fault: nothing has changed, nothing leaks, the report is right.

Whatever goes wrong in an update, whichever step it is in: the current generation is the same,
object by object; the report ends with the error and its innermost frame is the user's; the next
good edit goes through; and then there are as many threads, open files, modules as there were.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
import types
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import transfuse
from conftest import CAP
from stress.test_faults import FAULTS as FILES_THAT_FAIL
from stress.test_faults import FILES, NAMES, state
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import LiveTree

TAX = FILES["shop/tax.py"]


class Fault(NamedTuple):
    """What goes wrong.

    Attributes:
        source: what `shop/tax.py` says instead.
        last: how the last line of the traceback begins.
        where: the innermost frame; none where no code runs.
    """

    source: str
    last: str
    where: str | None


def _raises(what: str, last: str) -> Fault:
    source = f"{TAX}NEW = 1\nimport shop.extra, json\ndef go():\n    {what}\ngo()\n"
    return Fault(source, last, "shop/tax.py, in go")


CODE = {
    "Exception": _raises("1 / 0", "ZeroDivisionError: division by zero"),
    "BaseException": _raises("raise BaseException('odd')", "BaseException: odd"),
    "SystemExit": _raises("raise SystemExit(3)", "SystemExit: 3"),
    "KeyboardInterrupt": _raises("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "GeneratorExit": _raises("raise GeneratorExit", "GeneratorExit"),
    "CancelledError": _raises(
        "import asyncio; raise asyncio.CancelledError", "asyncio.exceptions.CancelledError"
    ),
    "MemoryError": _raises("raise MemoryError", "MemoryError"),
    "os._exit is not, sys.exit is": _raises("import sys; sys.exit('bye')", "SystemExit: bye"),
    "recursion": Fault(TAX + "def go(): go()\ngo()\n", "RecursionError:", "shop/tax.py, in go"),
    "an error that cannot be printed": _raises(
        "raise type('Mute', (Exception,), {'__str__': lambda _: 1 / 0})", "shop.tax.Mute"
    ),
    "an endless loop": Fault(
        TAX + "def go():\n    while True: len(())\ngo()\n",
        "transfuse.errors.TimeLimitExceeded:",
        "shop/tax.py, in go",
    ),
    "a hook that raises": Fault(
        TAX + "def __migrate__(previous): previous['none']\n",
        "KeyError: 'none'",
        "shop/tax.py, in __migrate__",
    ),
    "a hook that does not end": Fault(
        TAX + "def __migrate__(previous):\n    while True: len(())\n",
        "transfuse.errors.TimeLimitExceeded:",
        "shop/tax.py, in __migrate__",
    ),
    "no such module": Fault(
        TAX + "import shop.nowhere\n", "ModuleNotFoundError:", "shop/tax.py, in <module>"
    ),
    "no such name": Fault(
        "RATE = 11\n", "ImportError: cannot import", "shop/prices.py, in <module>"
    ),
    "syntax": Fault("def RATE(:\n", "SyntaxError:", "shop/tax.py, in "),
    "a special variable": Fault("__reload__ = 'overlai'\n", "transfuse.errors.PolicyError:", None),
    "a thread that is left": _raises(
        "import threading; threading.Thread(target=len, args=('',)).start(); 1 / 0", "ZeroDivision"
    ),
}


def _frames(traceback: str) -> list[str]:
    """``"shop/tax.py, in go"`` for each frame of a traceback, the outermost first."""
    found = []
    for line in traceback.splitlines():
        if line.startswith('  File "'):
            path, _, name = line[8:].partition('", line ')
            found.append(f"{path.split('/app/')[-1]}, in {name.partition(', in ')[2]}")
    return found


def _resources(tree: LiveTree) -> dict[str, Any]:
    """What must not become more."""
    gc.collect()
    files = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            files.append(os.readlink(each))
    modules = [each for each in gc.get_objects() if type(each) is types.ModuleType]
    own = str(tree.root)
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": sorted(each for each in files if "/fd" not in each),
        "modules": sorted(
            each.__name__ for each in modules if own in (getattr(each, "__file__", None) or "")
        ),
        "sys.modules": sorted(name for name in sys.modules if name.partition(".")[0] in NAMES),
        "lingering": transfuse.status().lingering,
        "draining": transfuse.status().draining,
    }


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the report has the error: pytest keeps what is logged, with the frames."""
    monkeypatch.setattr("transfuse.updates.api._log.disabled", True)


def _begin(tree: LiveTree, policy: str) -> dict[str, Any]:
    tree.write({**FILES, "shop/extra.py": "class Extra:\n    def go(self): return Extra\n"})
    tree.install(policy=policy, keep=0, time_limit=0.3)
    tree.module("web")
    # What is loaded for the first time stays: here, what failing code imports.
    tree.update({"shop/tax.py": CODE["Exception"].source})
    tree.published({"shop/tax.py": TAX + "# 0\n"})
    return _settled(tree)


def _settled(tree: LiveTree) -> dict[str, Any]:
    tree.reports.clear()
    return _resources(tree)


def _are_no_more(tree: LiveTree, had: dict[str, Any]) -> None:
    """The same is there as before; of open files, those of the story before may have been closed.

    A watcher closes its files in a thread of its own, which ends a moment later.
    """
    deadline = time.monotonic() + CAP
    while Counter((found := _settled(tree))["files"]) - Counter(had["files"]):
        assert time.monotonic() < deadline, (found["files"], had["files"])
        time.sleep(0.01)  # for the thread of a watcher
    assert {**found, "files": 0} == {**had, "files": 0}


def _good(tree: LiveTree, number: int) -> None:
    tree.published({"shop/tax.py": f"RATE = {number}\nclass Tax: pass\n"})
    assert tree.module("web").ask() == (1, number)
    assert transfuse.status().failing is None


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("kind", CODE)
def test_p4_code_that_fails(tree: LiveTree, policy: str, kind: str) -> None:
    fault = CODE[kind]
    had = _begin(tree, policy)
    for number in range(2):
        before = state(tree)
        report = tree.update({"shop/tax.py": fault.source})
        assert report.outcome == "refused"
        assert report.generation == before["generation"] == transfuse.status().generation
        assert report.traceback.splitlines()[-1].startswith(fault.last), report.traceback
        assert _frames(report.traceback)[-1:] == ([fault.where] if fault.where else [])
        assert state(tree) == before
        del report
        _good(tree, 20 + number)
        _are_no_more(tree, had)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("kind", FILES_THAT_FAIL)
def test_p4_files_that_fail_leave_nothing(tree: LiveTree, policy: str, kind: str) -> None:
    had = _begin(tree, policy)
    for number in range(2):
        before = state(tree)
        repair = FILES_THAT_FAIL[kind](tree)
        report = transfuse.update()
        assert (report.outcome, report.generation) == ("refused", before["generation"])
        assert state(tree) == before
        repair()
        del report
        _good(tree, 20 + number)
        _are_no_more(tree, had)


APP = """
    STARTS = True
    async def app(scope, receive, send):
        while scope["type"] == "lifespan":
            told = await receive()
            if told["type"] == "lifespan.startup" and not STARTS:
                raise RuntimeError("no database")
            await send({"type": told["type"] + ".complete"})
            if told["type"] == "lifespan.shutdown":
                return
    """


@pytest.mark.usefixtures("silent")
def test_p4_a_startup_that_fails(tree: LiveTree, policy: str) -> None:
    tree.write({"shop.py": APP, "web.py": "from shop import app\n"})
    tree.install(policy=policy, keep=0)
    application: Any = transfuse.asgi("web:app")

    async def story() -> None:
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said: asyncio.Queue[Any] = asyncio.Queue()
        served = asyncio.create_task(application({"type": "lifespan"}, told.get, said.put))
        await told.put({"type": "lifespan.startup"})
        assert (await asyncio.wait_for(said.get(), CAP))["type"] == "lifespan.startup.complete"
        for number in range(2):
            before = {name: vars(tree.module(name)).copy() for name in ("shop", "web")}
            served_now = transfuse.status().generation
            bad = APP.replace("STARTS = True", "STARTS = False")
            report = await asyncio.to_thread(tree.update, {"shop.py": bad})
            assert (report.outcome, report.generation) == ("refused", served_now)
            assert "no database" in report.traceback
            after = {name: vars(tree.module(name)) for name in ("shop", "web")}
            assert {k: {n: id(v) for n, v in d.items()} for k, d in after.items()} == {
                k: {n: id(v) for n, v in d.items()} for k, d in before.items()
            }
            good = APP + f"NUMBER = {number}\n    "
            assert (await asyncio.to_thread(tree.update, {"shop.py": good})).outcome == "published"
            assert tree.module("shop").NUMBER == number
        await told.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(served, CAP)

    asyncio.run(story())
    tree.reports.clear()
    gc.collect()
    assert transfuse.status().lingering == 0


HANGS = (
    TAX
    + "def __dispose__():\n    import builtins\n    builtins.begun.set()\n    while True: len(())\n"
)


def test_p4_a_dispose_that_does_not_end_is_ended_and_named(
    tree: LiveTree, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    monkeypatch.setattr("builtins.begun", begun, raising=False)
    tree.write({**FILES, "shop/tax.py": HANGS})
    tree.install(policy="fresh", time_limit=0.2)
    tree.module("web")
    _good(tree, 20)
    assert begun.is_set()
    (record,) = (each for each in caplog.records if "__dispose__" in each.getMessage())
    assert str(tree.root / "shop/tax.py") in record.getMessage()
    assert "TimeLimitExceeded" in str(record.exc_info)
    _good(tree, 30)


def test_p4_a_listener_that_does_not_end_is_ended_and_the_others_hear(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write(FILES)
    tree.install(policy="fresh", time_limit=0.2)
    tree.module("web")

    def hang(_: object) -> None:
        while True:
            len(())

    def leave(_: object) -> None:
        raise SystemExit

    heard: list[str] = []
    ends = [transfuse.on_update(each) for each in (hang, leave, lambda r: heard.append(r.outcome))]
    _good(tree, 20)
    assert heard == ["published"]
    assert [each.exc_info[0].__name__ for each in caplog.records if each.exc_info] == [  # type: ignore[union-attr]
        "TimeLimitExceeded",
        "SystemExit",
    ]
    for end in ends:
        end()
    _good(tree, 30)


@pytest.fixture
def nobody() -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """The root user becomes, for a while, a user without rights."""

    @contextlib.contextmanager
    def dropped() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    yield dropped
    if os.getuid() == 0:
        os.seteuid(0)


def test_p4_permission_is_lost(
    tree: LiveTree, policy: str, nobody: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    """`seteuid` is for the whole process: the thread that reads the files loses its rights too."""
    tree.write(FILES)
    tree.install(policy=policy)
    tree.module("web")
    for path in (tree.root, *tree.root.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    before = state(tree)
    tree.write({"shop/tax.py": "RATE = 20\nclass Tax: pass\n"})
    (tree.root / "shop/tax.py").chmod(0)
    with nobody():
        report = Worker(transfuse.update).result()
    assert report.outcome == "refused", report
    assert isinstance(report.error, OSError)
    assert "Permission denied" in str(report.error)
    assert str(tree.root / "shop/tax.py") in str(report.error)
    assert state(tree) == before
    (tree.root / "shop/tax.py").chmod(0o644)
    assert transfuse.update().outcome == "published"
    assert tree.module("web").ask() == (1, 20)
