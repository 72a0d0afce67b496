"""Fixtures of many tests: a folder of live source, and waiting for the reports of updates."""

from __future__ import annotations

import shutil
import sys
import tempfile
import textwrap
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transfuse.updates.reports import Report

# The longest time that a test waits for anything, in seconds.
CAP = 20.0


class LiveTree:
    """A folder of live source, and the reports of its updates."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reports: list[Report] = []
        self._changed = threading.Condition()
        # Ends the subscription to reports. It does nothing before `install`.
        self.unsubscribe: Callable[[], None] = lambda: None

    def write(self, files: dict[str, str]) -> None:
        """Write files, given by their path under the root."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def delete(self, *names: str) -> None:
        for name in names:
            (self.root / name).unlink()

    def install(self, *, watch: bool = False, **settings: Any) -> None:
        """Make the folder live. Without `watch` the test itself asks for updates."""
        self.unsubscribe()
        transfuse.install(roots=[self.root], watch=watch, **settings)
        self.unsubscribe()  # a test may install again
        self.unsubscribe = transfuse.on_update(self._record)

    def _record(self, report: Report) -> None:
        with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    def module(self, name: str) -> Any:
        """The module that new work would use: `Any`, as tests read and set all of it."""
        return transfuse.import_module(name)

    def update(self, files: dict[str, str] | None = None) -> Report:
        """Write files and update."""
        self.write(files or {})
        return transfuse.update()

    def published(self, files: dict[str, str] | None = None) -> Report:
        """Update, and assert that the update is published."""
        report = self.update(files)
        assert report.outcome == "published", report.traceback
        return report

    def wait(self, what: Callable[[Report], bool], *, after: int = 0) -> Report:
        """Wait for a report, the `after`-th or later."""

        def found() -> Report | None:
            return next((report for report in self.reports[after:] if what(report)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, CAP)
            report = found()
        assert report is not None, f"waited {CAP} s; these came instead: {self.reports[after:]}"
        return report

    def quiet(self, *, after: int, seconds: float = 0.3) -> bool:
        """Whether no report comes for many times as long as an update takes."""
        with self._changed:
            return not self._changed.wait_for(lambda: len(self.reports) > after, seconds)


def ran(report: Report) -> list[str]:
    """The names of the modules that an update ran."""
    return [step.name for step in report.ran]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveTree]:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    root = tmp_path / "app"
    root.mkdir()
    before = set(sys.modules)
    tree = LiveTree(root)
    yield tree
    tree.unsubscribe()
    transfuse.uninstall()
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or str(tmp_path) in file:
            del sys.modules[name]
    sys.path_importer_cache.clear()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A foreign module, `outside`, that the test and its live code share.

    Live code records what it ran with `import outside; outside.ran.append(...)`.
    """
    module: Any = ModuleType("outside")
    module.ran = []
    monkeypatch.setitem(sys.modules, "outside", module)
    return module


@pytest.fixture(params=["overlay", "fresh"])
def policy(request: pytest.FixtureRequest) -> str:
    """A test that holds under either policy runs under both."""
    chosen: str = request.param
    return chosen


@pytest.fixture(autouse=True, scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of a test is kept in the home of its user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def runtime() -> Iterator[Path]:
    """The folder of the sockets. Its path must be short, because a socket's path is limited."""
    place = Path(tempfile.mkdtemp(prefix="tf-"))
    yield place
    shutil.rmtree(place, ignore_errors=True)
