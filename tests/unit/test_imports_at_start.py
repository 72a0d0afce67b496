"""P10: a program that starts with Transfuse imports no module that it may never need."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

START = """
import sys
import transfuse
transfuse.install(roots=[sys.argv[1]], watch=False, together=False)
"""
SERVE = """
import site_of_mine
transfuse.wsgi("site_of_mine:application")
"""
SHOW = "print(*sys.modules)"
# The parts of Transfuse for another protocol, for several workers and for what follows an update,
# and what only these use of the standard library.
NEVER = {
    "asyncio",
    "concurrent.futures",
    "csv",
    "email",
    "importlib.metadata",
    "multiprocessing",
    "ssl",
    "subprocess",
    "tomli",
    "tomllib",
    "zipfile",
    "transfuse.memory.leaks",
    "transfuse.publishing.publisher",
    "transfuse.registrations.exchange",
    "transfuse.servers.asgi",
    "transfuse.servers.rsgi",
    "transfuse.updates.history",
    "transfuse.updates.reports",
    "transfuse.version",
    "transfuse.workers.worker",
}
SERVING = {"csv"}
# What a process needs that updates, serves, has other workers, or uses a framework.
LATER = {
    "datetime",
    "hashlib",
    "shutil",
    "tempfile",
    "transfuse.config.dotenv",
    "transfuse.frameworks.django",
    "transfuse.frameworks.jinja",
    "transfuse.frameworks.mako",
    "transfuse.last_served.keeper",
    "transfuse.registrations.entries",
    "transfuse.servers.wsgi",
    "transfuse.source.preserved_names",
    "transfuse.updates.api",
    "transfuse.updates.trial",
    "transfuse.workers.rendezvous",
}


@pytest.mark.parametrize(
    ("text", "absent"),
    [(START, NEVER | LATER), (START + SERVE, NEVER - SERVING)],
    ids=["install", "wsgi"],
)
def test_p10_a_start_imports_only_what_it_uses(tmp_path: Path, text: str, absent: set[str]) -> None:
    (tmp_path / "site_of_mine.py").write_text("def application(environ, start): return []\n")
    # Read again only if it changes.
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = ['flask']\n")
    told = subprocess.run(
        [sys.executable, "-c", text + SHOW, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(told.stdout.split()) & absent == set()
