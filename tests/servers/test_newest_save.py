"""P4, P15: an update that hangs is given up when something newer is saved, wherever it hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.serving import ASGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SHOWN = "import val\ndef shown(): return {'val': val.VALUE}\n"
NEVER_STARTED = ASGI.replace(
    'started(message["type"])', 'await asyncio.sleep(600 * (message["type"] == "lifespan.startup"))'
)
# What each application starts with; the first hangs at one of three places.
GOOD = {
    "val.py": "VALUE = 'good'\n",
    "smoke.py": "import val\ndef check(): assert val.VALUE != 'bad'\n",
    "web.py": ASGI + SHOWN,
}
HANGS = {
    "module": {"val.py": "import time\nVALUE = 'slow'\ntime.sleep(600)\n"},
    "startup": {"val.py": "VALUE = 'slow'\n", "web.py": NEVER_STARTED + SHOWN},
    "check": {
        "val.py": "VALUE = 'slow'\n",
        "smoke.py": "import time\ndef check(): time.sleep(600)\n",
    },
}
WHERE = {
    "module": "running val (2 of 3), at val.py, line 3",
    "startup": "waiting for",
    "check": "waiting for",
}


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    settings = '[tool.transfuse]\nroots = ["site"]\ncheck = "smoke:check"\n'
    (project.folder / "pyproject.toml").write_text(settings)
    project.save(GOOD)
    yield project
    project.end()


@pytest.mark.parametrize("place", list(HANGS))
def test_it_says_where_it_is_and_the_next_save_is_served(project: Project, place: str) -> None:
    project.serve("--handover", "never")
    project.save(HANGS[place])
    project.until_logged("still updating, for 1 s: " + WHERE[place])
    assert "serving generation 1 meanwhile" in project.log
    assert project.ask()["val"] == "good"
    project.save({**GOOD, "val.py": "VALUE = 'better'\n"})
    project.until_answered(val="better")


def test_p4_the_check_sees_the_staged_generation(project: Project) -> None:
    project.serve()
    project.save({"val.py": "VALUE = 'bad'\n"})
    project.until_logged("refused: smoke.py, line 2: AssertionError")
    assert project.ask()["val"] == "good"
    project.save({"val.py": "VALUE = 'better'\n"})
    project.until_answered(val="better")


def test_p4_the_check_of_the_command_line(project: Project) -> None:
    (project.folder / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["site"]\n')
    project.serve("--check", "smoke:check")
    project.save({"val.py": "VALUE = 'bad'\n"})
    project.until_logged("refused: smoke.py, line 2: AssertionError")
    assert project.ask()["val"] == "good"
