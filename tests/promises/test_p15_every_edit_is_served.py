"""P15: every edit is served, in place where that is right, by fresh processes where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from servers.handover_load import Load
from support.serving import ASGI, WSGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A library that keeps what is registered, and refuses a second one of the same name.
METRICS = """
NAMES = {}
def counter(name):
    if name in NAMES:
        raise ValueError(f"duplicated: {name}")
    NAMES[name] = object()
    return NAMES[name]
"""


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    yield project
    project.end()


def application(text: str, number: int) -> dict[str, str]:
    """An application that shows what two modules of it say, the one of them with `never`."""
    return {
        "conf.py": f"__reload__ = 'never'\nLIMIT = {number}\n",
        "prices.py": f"TEA = {number}\n",
        "web.py": f"{text}\nimport conf, prices\n"
        "def shown(): return {'limit': conf.LIMIT, 'tea': prices.TEA}\n",
    }


@pytest.mark.parametrize("text", [ASGI, WSGI], ids=["asgi", "wsgi"])
def test_p15_what_cannot_be_served_in_place_is_served_by_fresh_processes(
    project: Project, text: str
) -> None:
    first, second = application(text, 1), application(text, 2)
    project.save(first)
    project.serve()
    before = project.ask()["pid"]
    with Load(project.port, rate=100, idle=10) as load:
        # In place: the same process serves it.
        project.save({"prices.py": second["prices.py"]})
        assert project.until_answered(limit=1, tea=2)["pid"] == before
        # By a handover: another one does, without an answer lost meanwhile.
        project.save({"conf.py": second["conf.py"]})
        after = project.until_answered(limit=2, tea=2)["pid"]
        assert after != before
        # That one takes edits in place, too.
        project.save({"prices.py": "TEA = 3\n"})
        assert project.until_answered(limit=2, tea=3)["pid"] == after
    assert not load.count.lost, (load.count.why, project.log)


def test_p15_what_does_not_load_changes_nothing_and_the_reason_is_told(project: Project) -> None:
    project.save(application(WSGI, 1))
    project.serve()
    before = project.ask()
    project.save({"conf.py": "__reload__ = 'never'\nLIMIT = 1 / 0\n"})
    project.until_logged("not handed over: web cannot be loaded: ZeroDivisionError")
    assert project.ask() == before
    project.save({"conf.py": "__reload__ = 'never'\nLIMIT = 2\n"})
    project.until_answered(limit=2, tea=1)


def test_p15_what_this_process_refuses_because_of_what_it_holds_fresh_ones_serve(
    project: Project,
) -> None:
    """A registry of a library outside of the roots, which cannot have a metric twice."""
    (project.folder / "metrics.py").write_text(METRICS)
    text = f"{WSGI}\nimport metrics\nCOUNTER = metrics.counter('orders')\n"
    project.save({"web.py": text + "def shown(): return {'value': 1}\n"})
    project.serve()
    before = project.ask()["pid"]
    project.save({"web.py": text + "def shown(): return {'value': 2}\n"})
    assert project.until_answered(value=2)["pid"] != before


def test_p15_a_person_may_want_to_be_asked(project: Project) -> None:
    project.save(application(WSGI, 1))
    project.serve("--handover", "ask")
    before = project.ask()["pid"]
    project.save(application(WSGI, 2))
    project.until_answered(limit=1, tea=2)
    project.until_logged("transfuse handover serves from fresh processes, and loses no request")
    code, out = project.type("handover")
    assert code == 0, out
    answer = project.ask()
    assert (answer["limit"], answer["tea"]) == (2, 2)
    assert answer["pid"] != before


def test_p15_a_fresh_process_reads_the_settings_anew(project: Project) -> None:
    project.save({"web.py": f"{WSGI}\nimport more\ndef shown(): return {{'value': more.VALUE}}\n"})
    project.save({"more.py": "VALUE = 1\n"})
    project.serve()
    before = project.ask()["pid"]
    # Another root, in front, with another module of that name.
    (project.folder / "first").mkdir()
    (project.folder / "first" / "more.py").write_text("VALUE = 2\n")
    (project.folder / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["first", "site"]\n')
    assert project.until_answered(value=2)["pid"] != before
