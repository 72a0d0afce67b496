"""P15: what a running process refuses because of whose it is, and of its threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from servers.handover_load import Load
from support.serving import ASGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

# Instrumentation that finds a module by itself, and makes it of what it has made of the source.
APM = """
import os
from importlib.machinery import ModuleSpec

class Loader:
    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.VALUE = int(os.popen(f"grep -o '[0-9]' {module.__spec__.origin}").read())

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        place = os.path.join(os.path.dirname(__file__), "..", "site", "val.py")
        return ModuleSpec(name, Loader(), origin=os.path.realpath(place)) if name == "val" else None
"""
INSTRUMENTED = """
import os, sys
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "vendor"))
import apm
sys.meta_path.insert(0, apm.Finder)
"""
SHOWN = "import val\ndef shown(): return {'value': val.VALUE}\n"
# Each works in the thread in which a fresh process imports, and in no other.
CONNECTS = "import sqlite3\nDATABASE = sqlite3.connect(':memory:')\n"
LISTENS = "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n"
KINDS = {"foreign loader": "", "connection": CONNECTS, "signal": LISTENS}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project(tmp_path: Path, runtime: Path, kind: str) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "apm.py").write_text(APM)
    begins = INSTRUMENTED if kind == "foreign loader" else ""
    project.save({"web.py": begins + ASGI + SHOWN, "val.py": f"{KINDS[kind]}VALUE = 1\n"})
    yield project
    project.end()


def test_p15_fresh_processes_serve_it_by_themselves(project: Project, kind: str) -> None:
    project.serve()
    before = project.ask()
    assert before["value"] == 1
    with Load(project.port, rate=60, idle=10, slow="/") as load:
        project.save({"val.py": f"{KINDS[kind]}VALUE = 2\n"})
        after = project.until_answered(value=2)
    assert after["pid"] != before["pid"]
    assert not load.count.lost, (load.count.why, project.log)


def test_p15_or_when_they_are_asked_for(project: Project, kind: str) -> None:
    project.serve("--handover", "ask")
    before = project.ask()
    project.save({"val.py": f"{KINDS[kind]}VALUE = 2\n"})
    project.until_logged("transfuse handover serves from fresh processes, and loses no request")
    assert project.ask() == before
    code, out = project.type("handover")
    assert (code, project.ask()["value"]) == (0, 2), out
