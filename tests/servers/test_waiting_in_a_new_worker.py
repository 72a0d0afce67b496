"""P14, P16: a worker in place of a killed one knows what waits in the others for a handover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.serving import WSGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SETTINGS = '[tool.transfuse]\nroots = ["site"]\ncheck = "smoke:check"\n'
CONF = "__reload__ = 'never'\nVALUE = {}\n"


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    (project.folder / "pyproject.toml").write_text(SETTINGS)
    project.save(
        {
            "conf.py": CONF.format(1),
            "val.py": "VALUE = 1\n",
            "smoke.py": "import conf\ndef check(): assert conf.VALUE != 2\n",
            "web.py": WSGI
            + "import conf, val\ndef shown(): return {'conf': conf.VALUE, 'val': val.VALUE}\n",
        }
    )
    yield project
    project.end()


def replace_one(project: Project) -> set[int]:
    """Kill a worker, and wait for another in its place; return both that serve then."""
    old = project.pids()
    project.kill(min(old))
    project.until("another", lambda: len(project.pids() - {min(old)}) == 2)
    return project.pids()


def waiting(project: Project) -> list[list[str]]:
    return [[name for name, *_ in each["restart"]] for each in project.statuses()]


def test_p14_it_lists_the_change_and_hears_that_it_was_taken_back(project: Project) -> None:
    project.serve("--workers", "2", "--handover", "auto")
    project.until("two workers", lambda: len(project.pids()) == 2)
    project.save({"conf.py": CONF.format(2)})
    project.until("both have asked", lambda: project.log.count("handing over to fresh") == 2)
    project.until_logged("not handed over: the check failed")
    asked = project.log.count("handing over to fresh processes")
    replace_one(project)
    assert waiting(project) == [["conf"], ["conf"]]
    # The others have asked for fresh processes already.
    assert project.log.count("handing over to fresh processes") == asked
    project.save({"conf.py": CONF.format(1)})
    project.until("fixed, in both", lambda: project.log.count("fixed: serving generation") == 2)
    assert waiting(project) == [[], []]
    assert project.ask() | {"pid": 0} == {"pid": 0, "conf": 1, "val": 1}


def test_p14_what_was_refused_beside_it_does_not_wait(project: Project) -> None:
    project.serve("--workers", "2", "--handover", "ask")
    project.until("two workers", lambda: len(project.pids()) == 2)
    project.save({"conf.py": CONF.format(3)})
    project.until_logged("transfuse handover serves from fresh processes")
    project.save({"val.py": "VALUE =\n"})
    project.until("a refusal by both", lambda: project.log.count("refused: val.py") == 2)
    replace_one(project)
    assert waiting(project) == [["conf"], ["conf"]]
    project.save({"val.py": "VALUE = 2\n"})
    project.until_answered(conf=1, val=2)
    assert waiting(project) == [["conf"], ["conf"]]
    assert project.type("handover")[0] == 0
    assert project.ask() | {"pid": 0} == {"pid": 0, "conf": 3, "val": 2}


@pytest.mark.parametrize("hands_over", [False, True])
def test_p14_it_serves_with_the_settings_of_the_others(project: Project, hands_over: bool) -> None:
    project.serve("--workers", "2", "--handover", "ask")
    project.until("two workers", lambda: len(project.pids()) == 2)
    if hands_over:
        assert project.type("handover")[0] == 0
    (project.folder / "pyproject.toml").write_text(SETTINGS + 'exclude = ["val.py"]\n')
    project.until("it waits", lambda: waiting(project) == [["exclude"], ["exclude"]])
    replace_one(project)
    assert waiting(project) == [["exclude"], ["exclude"]]
    project.save({"val.py": "VALUE = 2\n"})
    project.until_answered(conf=1, val=2)
    project.until("both", lambda: project.log.count("serving generation") >= 2)
    assert all(project.ask()["val"] == 2 for _ in range(20))
