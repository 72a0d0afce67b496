"""P4 by fault injection: whatever an update needs fails, and nothing has happened.

What the code of a module can raise is in `tests/promises/test_p4_failure_changes_nothing.py`, what
does not end in `test_limits.py`. Here fail the things around it.
"""

from __future__ import annotations

import gc
import logging
import marshal
import os
import resource
import time
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from stress.scale import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import LiveTree

FILES = {
    "shop/__init__.py": "",
    "shop/tax.py": "RATE = 10\nclass Tax: pass\n",
    "shop/prices.py": "from shop.tax import RATE, Tax\n"
    "__preserve__ = ['cart']\ncart = []\nTEA = 1\n",
    "web.py": "from shop import prices\ndef ask(): return prices.TEA, prices.RATE\n",
}
NAMES = ("shop", "shop.tax", "shop.prices", "web")


def state(tree: LiveTree) -> dict[str, Any]:
    """The current generation, object by object."""
    found: dict[str, Any] = {"generation": transfuse.status().generation}
    for name in NAMES:
        module = tree.module(name)
        found[name] = id(module), {key: id(value) for key, value in vars(module).items()}
    return found


def _unreadable(tree: LiveTree) -> Callable[[], None]:
    """A file that cannot be read: a link that leads to itself."""
    path = tree.root / "shop" / "tax.py"
    path.unlink()
    path.symlink_to(path)
    return path.unlink


def _a_folder(tree: LiveTree) -> Callable[[], None]:
    path = tree.root / "shop" / "tax.py"
    path.unlink()
    path.mkdir()
    return path.rmdir


def _not_utf8(tree: LiveTree) -> Callable[[], None]:
    (tree.root / "shop" / "tax.py").write_bytes(b"RATE = '\xff'\n")
    return lambda: None


def _nul(tree: LiveTree) -> Callable[[], None]:
    (tree.root / "shop" / "tax.py").write_bytes(b"RATE = 1\n\0\n")
    return lambda: None


def _gone(tree: LiveTree) -> Callable[[], None]:
    (tree.root / "shop" / "tax.py").unlink()
    return lambda: None


def _half_written(tree: LiveTree) -> Callable[[], None]:
    (tree.root / "shop" / "tax.py").write_text("RATE = 10\nclass Tax: pa")
    return lambda: None


FAULTS = {
    "a link to itself": _unreadable,
    "a folder in its place": _a_folder,
    "not UTF-8": _not_utf8,
    "a NUL byte": _nul,
    "gone": _gone,
    "half written": _half_written,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_p4_a_file_that_cannot_be_used(tree: LiveTree, policy: str, fault: str) -> None:
    tree.write(FILES)
    tree.install(policy=policy)
    tree.module("web")
    before = state(tree)
    for _ in range(3):
        repair = FAULTS[fault](tree)
        report = transfuse.update()
        assert report.outcome == "refused", report
        assert "tax" in report.traceback or "tax" in str(report.error)
        assert state(tree) == before
        repair()
        tree.write({"shop/tax.py": FILES["shop/tax.py"]})
        assert transfuse.update().outcome in ("unchanged", "published")
        before = state(tree)
    tree.published({"shop/tax.py": "RATE = 20\nclass Tax: pass\n"})
    assert tree.module("web").ask() == (1, 20)


@pytest.mark.slow
@pytest.mark.timeout(times(120, 900))
def test_p4_nothing_leaks_from_refused_updates(
    tree: LiveTree, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Log records and reports have the error, and that has the frames.
    monkeypatch.setattr(logging.getLogger("transfuse"), "disabled", True)
    tree.write(FILES)
    tree.install(policy=policy, keep=0)
    tree.module("web")
    counts = []
    rounds = times(20, 1_000)
    for number in range(rounds):
        bad = f"from shop.tax import RATE, Tax\nclass Price: n = {number}\n1/0\n"
        assert tree.update({"shop/prices.py": bad}).outcome == "refused"
        if number in (rounds // 2, rounds - 1):
            tree.reports.clear()
            gc.collect()
            counts.append(len([one for one in gc.get_objects() if type(one) is type]))
    assert counts[0] == counts[1]
    tree.published({"shop/prices.py": FILES["shop/prices.py"] + "\n"})


@pytest.fixture
def no_room() -> Iterator[None]:
    """Files cannot grow: what a full disk does to every writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 20])
def test_p4_a_full_disk_only_costs_the_precompiled_file(
    tree: LiveTree, no_room: None, room: int
) -> None:
    """Not a byte can be written, or the header and a piece of what follows it."""
    del no_room
    tree.write({**FILES, "aside.py": "class Aside: pass\n"})
    tree.install()
    tree.module("web")
    aside = tree.module("aside").Aside
    cache = tree.root / "shop" / "__pycache__"
    (cached,) = cache.glob("tax.*.pyc")
    former = cached.read_bytes()
    tree.write({"shop/tax.py": "RATE = 20\nclass Tax: pass\n"})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
    try:
        report = transfuse.update()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert report.outcome == "published"
    assert tree.module("web").ask() == (1, 20)
    assert tree.module("aside").Aside is aside
    # The old file is still there, whole, and no other file is.
    assert cached.read_bytes() == former
    assert len(list(cache.iterdir())) == 3
    tree.published({"shop/tax.py": "RATE = 30\nclass Tax: pass\n"})
    assert tree.module("web").ask() == (1, 30)
    # There is room again: the file that is written now is the one that Python would write.
    written = cached.read_bytes()
    source = (tree.root / "shop" / "tax.py").read_bytes()
    assert written[:16] == MAGIC_NUMBER + b"\3\0\0\0" + source_hash(source)
    assert marshal.loads(written[16:]).co_filename == str(tree.root / "shop" / "tax.py")


@pytest.mark.parametrize("what", ["a file", "missing rights"])
def test_p4_a_cache_folder_that_cannot_be_written(tree: LiveTree, what: str) -> None:
    tree.write(FILES)
    if what == "a file":
        (tree.root / "shop" / "__pycache__").write_text("in the way")
    else:
        (tree.root / "shop" / "__pycache__").mkdir(mode=0o500)
    tree.install()
    tree.module("web")
    tree.published({"shop/tax.py": "RATE = 20\nclass Tax: pass\n"})
    assert tree.module("web").ask() == (1, 20)


@pytest.mark.parametrize("hook", ["on_update", "log handler"])
def test_p4_who_is_told_and_raises_harms_nobody(
    tree: LiveTree, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write(FILES)
    tree.install()
    tree.module("web")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no ear")

    stop = transfuse.on_update(fail) if hook == "on_update" else None
    if hook == "log handler":
        monkeypatch.setattr("transfuse.updates.messages.update_text", fail)
    tree.published({"shop/tax.py": "RATE = 20\nclass Tax: pass\n"})
    monkeypatch.undo()
    if stop is not None:
        stop()
    tree.published({"shop/tax.py": "RATE = 30\nclass Tax: pass\n"})
    assert tree.module("web").ask() == (1, 30)


@pytest.mark.parametrize("watch", [True, False])
@pytest.mark.parametrize("jumps", [(-1e9, 1e9, -3600.0, 0.0), (1e9, 0.0, 0.0, -1e9)])
def test_p4_times_of_files_that_jump(tree: LiveTree, watch: bool, jumps: tuple[float, ...]) -> None:
    """A clock that is set shows in the times of files, and they decide nothing.

    The core itself uses a clock that cannot be set (`Instant`), so a test cannot change it.
    """
    tree.write(FILES)
    tree.install(watch=watch)
    tree.module("web")
    path = tree.root / "shop" / "tax.py"
    now = time.time()
    # All of one size, so that neither size nor time tells one from another.
    for number, jump in enumerate(jumps, start=1):
        seen = len(tree.reports)
        tree.write({"shop/tax.py": f"RATE = {number}\nclass Tax: pass\n"})
        os.utime(path, (now + jump, now + jump))
        if watch:
            tree.wait(lambda report: report.outcome == "published", after=seen)
        else:
            assert transfuse.update().outcome == "published"
        assert tree.module("web").ask() == (1, number)
        # Another time and the same content is no change.
        os.utime(path, (now - jump, now - jump))
        assert transfuse.update().outcome == "unchanged"


@pytest.fixture
def few_events() -> Iterator[None]:
    """The kernel keeps next to no events of a watch that begins now."""
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    try:
        before = limit.read_text()
        limit.write_text("2")
    except OSError as error:
        pytest.skip(f"only root may say how many events the system keeps: {error}")
    try:
        yield
    finally:
        limit.write_text(before)


@pytest.mark.usefixtures("few_events")
def test_p4_more_events_than_the_system_keeps(tree: LiveTree) -> None:
    """The kernel's queue overflows: the tree is compared as a whole, and nothing is missed."""
    tree.write(FILES)
    tree.install(watch=True)
    tree.module("web")
    noise = [tree.root / "shop" / f"noise{number}.txt" for number in range(200)]
    deadline = time.monotonic() + CAP
    while not transfuse.status().lost_events:
        for path in noise:
            path.write_text("")
        tree.write({"shop/tax.py": "RATE = 40\nclass Tax: pass\n"})
        for path in noise:
            path.unlink()
        assert time.monotonic() < deadline, "the system has kept all events"
    tree.wait(lambda report: report.outcome == "published" and tree.module("web").ask()[1] == 40)
