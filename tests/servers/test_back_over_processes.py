"""P15, P16: a rollback goes back over handovers, crashes and restarts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.serving import WSGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SHOWN = "import val, other\ndef shown(): return {'val': val.VALUE, 'other': other.VALUE}\n"


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    project.save({"val.py": "VALUE = 'good'\n", "other.py": "VALUE = 1\n", "web.py": WSGI + SHOWN})
    yield project
    project.end()


def edit(project: Project, **values: Any) -> None:
    """Save modules that say ``VALUE``, and wait until they are served."""
    project.save({f"{name}.py": f"VALUE = {value!r}\n" for name, value in values.items()})
    project.until_answered(**values)


def served(project: Project) -> dict[str, Any]:
    answer = project.ask()
    del answer["pid"]
    return answer


def entries(project: Project) -> list[dict[str, Any]]:
    _, out = project.type("history", "--json")
    told: list[dict[str, Any]] = json.loads(out.splitlines()[0])["entries"]
    return told


def until_kept(project: Project) -> None:
    """Wait until what is served now is on disk, which the answer to an update does not."""

    def so() -> bool:
        (folder,) = (project.state / "transfuse").iterdir()
        return (folder / "written").read_text().split()[:1] == [view]

    _, out = project.type("status", "--json")
    view = json.loads(out.splitlines()[0])["view"]
    project.until("kept", so)


def test_p16_a_bad_edit_is_taken_back_after_a_crash(project: Project) -> None:
    project.serve("--workers", "2")
    edit(project, val="better")
    edit(project, val="bad")
    until_kept(project)
    project.crash()
    project.serve("--workers", "2")
    assert served(project) == {"val": "bad", "other": 1}
    good, better, now = entries(project)
    assert [good["by"], better["by"], now["by"]] == ["former process", "former process", "start"]
    assert [each["can_go_back"] for each in (good, better, now)] == [True, True, False]
    code, out = project.type("history")
    assert "served by a process before this one: val.py" in out
    code, out = project.type("rollback", "--dry-run")
    assert (code, f"back to generation {better['generation']} of " in out) == (0, True), out
    assert served(project)["val"] == "bad"
    code, out = project.type("rollback")
    assert code == 0, out
    assert f"back to generation {better['generation']} of " in out
    assert "set aside: val.py" in out
    assert served(project) == {"val": "better", "other": 1}
    # For good, and further back.
    edit(project, other=2)
    assert served(project) == {"val": "better", "other": 2}
    code, out = project.type("rollback", "--to", str(good["generation"]))
    assert (code, served(project)) == (0, {"val": "good", "other": 1}), out
    until_kept(project)
    project.crash()
    project.serve("--workers", "2")
    assert served(project) == {"val": "good", "other": 1}


def test_p16_what_was_deployed_while_it_was_down_is_taken_back(project: Project) -> None:
    project.serve()
    edit(project, val="better")
    until_kept(project)
    project.crash()
    project.save({"val.py": "VALUE = 'deployed'\n", "other.py": "VALUE = 9\n"})
    project.serve()
    assert served(project) == {"val": "deployed", "other": 9}
    code, out = project.type("rollback")
    assert (code, served(project)) == (0, {"val": "better", "other": 1}), out
    code, out = project.type("rollback")
    assert (code, served(project)) == (0, {"val": "good", "other": 1}), out
    code, out = project.type("accept")
    assert (code, served(project)) == (0, {"val": "deployed", "other": 9}), out


def test_p16_a_second_rollback_never_goes_to_what_was_left(project: Project) -> None:
    project.serve()
    edit(project, val="better")
    edit(project, val="bad")
    code, out = project.type("rollback")
    assert code == 0, out
    project.crash()
    project.serve()
    assert served(project)["val"] == "better"
    code, out = project.type("rollback")
    assert (code, served(project)["val"]) == (0, "good"), out
    code, out = project.type("rollback")
    assert code == 2
    assert "there is no earlier generation" in out


def test_p16_a_rollback_goes_back_over_a_handover(project: Project) -> None:
    project.serve("--workers", "2")
    edit(project, val="better")
    edit(project, val="bad")
    code, out = project.type("handover")
    assert code == 0, out
    before = project.pids()
    project.save({"other.py": "1 / 0\n"})
    project.until_logged("refused: other.py")
    code, out = project.type("rollback")
    assert (code, served(project)["val"]) == (0, "better"), out
    # In each of them, what was refused is left as well.
    _, out = project.type("status", "--json")
    for line in out.splitlines():
        aside = [path.rpartition("/")[2] for path in json.loads(line)["set_aside"]]
        assert aside == ["other.py", "val.py"]
    assert project.pids() == before
    assert all(served(project)["val"] == "better" for _ in range(10))
    edit(project, other=2)
    assert served(project) == {"val": "better", "other": 2}


def test_p16_what_only_fresh_processes_can_serve_goes_back_by_them(project: Project) -> None:
    """The handover was made because of a module that is never run again."""
    conf = "__reload__ = 'never'\nVALUE = {}\n"
    shows = SHOWN.replace("val, other", "val, other, conf").replace("}", ", 'conf': conf.VALUE}")
    project.save({"conf.py": conf.format(1), "web.py": WSGI + shows})
    project.serve("--workers", "2")
    edit(project, val="better")
    project.save({"conf.py": conf.format(2), "val.py": "VALUE = 'bad'\n"})
    project.until_answered(conf=2, val="bad")
    code, out = project.type("rollback", "--dry-run")
    assert (code, "by fresh processes: needs a restart: conf" in out) == (0, True), out
    code, out = project.type("rollback")
    assert code == 0, out
    assert "rolled back by fresh processes: back to generation " in out
    assert served(project) == {"val": "better", "other": 1, "conf": 1}
    # Further back, whichever worker is asked, and for good.
    code, out = project.type("rollback")
    assert (code, served(project)) == (0, {"val": "good", "other": 1, "conf": 1}), out
    edit(project, other=2)
    assert served(project) == {"val": "good", "other": 2, "conf": 1}
    code, out = project.type("accept")
    assert code == 0, out
    project.until_answered(val="bad", other=2, conf=2)


def test_p16_a_template_that_was_rolled_back_stays_so_over_a_handover(project: Project) -> None:
    page = project.folder / "site" / "page.txt"
    page.write_text("good")
    reads = "import transfuse\ndef shown(): return {'page': transfuse.read_text('page.txt')}\n"
    reads = reads.replace("'page.txt'", "__file__.replace('web.py', 'page.txt')")
    project.save({"web.py": WSGI + reads})
    project.serve()
    project.until_answered(page="good")
    page.write_text("bad")
    project.until_answered(page="bad")
    code, out = project.type("rollback")
    assert (code, served(project)) == (0, {"page": "good"}), out
    code, out = project.type("handover")
    assert (code, served(project)) == (0, {"page": "good"}), out
    project.save({"web.py": WSGI + reads + "AGAIN = 1\n"})
    project.until_answered(page="good")


def test_p16_a_page_makes_no_other_state_of_what_was_handed_over(project: Project) -> None:
    """A fresh process has not read it yet, and does not know it as the former one did."""
    (project.folder / "site" / "page.txt").write_text("page")
    page = "transfuse.read_text(__file__.replace('web.py', 'page.txt'))"
    shows = SHOWN.replace("}", f", 'page': {page}}}").replace("import ", "import transfuse, ", 1)
    project.save({"web.py": WSGI + shows})
    project.serve("--workers", "2")
    edit(project, val="bad")
    assert served(project)["page"] == "page"
    for _ in range(2):
        code, out = project.type("handover")
        assert code == 0, out
    assert served(project)["val"] == "bad"
    until_kept(project)
    project.crash()
    project.serve("--workers", "2")
    code, out = project.type("rollback")
    assert (code, served(project)["val"]) == (0, "good"), out
    code, out = project.type("rollback")
    assert (code, "there is no earlier generation to go back to" in out) == (2, True), out


def test_p16_a_worker_that_was_started_anew_can_go_back(project: Project) -> None:
    project.serve()
    edit(project, val="bad")
    until_kept(project)
    (pid,) = project.pids()
    project.kill(pid)
    project.until("another one", lambda: project.pids() not in ({pid}, set()))
    code, out = project.type("rollback")
    assert (code, served(project)["val"]) == (0, "good"), out


def test_p16_what_does_not_load_any_more_is_not_gone_back_to(project: Project) -> None:
    """The database that it needs is gone, say."""
    needed = project.folder / "needed"
    needed.touch()
    text = "import os\nos.stat('needed')\nVALUE = 'good'\n"
    project.save({"val.py": text})
    project.serve()
    edit(project, val="bad")
    until_kept(project)
    project.crash()
    needed.unlink()
    project.serve()
    code, out = project.type("rollback")
    assert code == 1
    assert "FileNotFoundError" in out
    assert served(project)["val"] == "bad"
    edit(project, other=2)
    assert served(project) == {"val": "bad", "other": 2}


def test_p16_a_trial_puts_off_a_handover_that_is_under_way(project: Project) -> None:
    gate, loads = project.folder / "gate", project.folder / "loads"
    waits = f"""
import os, time
__reload__ = "never"
open({str(loads)!r}, "w").close()
while not os.path.exists({str(gate)!r}):
    time.sleep(0.01)
VALUE = 2
"""
    conf = "__reload__ = 'never'\nVALUE = 1\n"
    shows = SHOWN.replace("val, other", "val, other, conf").replace("}", ", 'conf': conf.VALUE}")
    project.save({"conf.py": conf, "web.py": WSGI + shows})
    project.serve("--workers", "2")
    project.save({"conf.py": waits})
    project.until("a fresh process that loads", loads.exists)
    code, out = project.type("update", "--hold")
    assert code == 0, out
    project.save({"val.py": "VALUE = 'tried'\n"})
    code, out = project.type("update", "--release", "--confirm-within", "1h")
    assert (code, "on trial" in out) == (0, True), out
    project.until_logged("is on trial, which fresh processes would end; still serving")
    gate.touch()
    assert served(project) == {"val": "tried", "other": 1, "conf": 1}
    code, out = project.type("handover")
    assert (code, "is on trial" in out) == (1, True), out
    code, out = project.type("confirm")
    assert code == 0, out
    project.until_answered(val="tried", conf=2)


def test_p16_a_handover_is_made_when_a_trial_is_over(project: Project) -> None:
    """Its fresh processes could not go back by themselves, so a trial refuses it and says so."""
    project.serve("--workers", "2")
    assert project.type("update", "--hold")[0] == 0
    project.save({"val.py": "VALUE = 'tried'\n"})
    code, out = project.type("update", "--release", "--confirm-within", "5s")
    assert (code, "on trial until" in out) == (0, True), out
    code, out = project.type("handover")
    assert code == 1
    words = ("is on trial", "'transfuse confirm' or 'transfuse rollback' ends the trial")
    assert [each in out for each in (*words, "nothing has changed")] == [True, True, True], out
    project.until_logged("not confirmed within 5 s")
    project.until_answered(val="good")
    code, out = project.type("handover")
    assert code == 0, out
    assert all(served(project)["val"] == "good" for _ in range(10))


def test_p16_a_second_rollback_finds_what_others_have_come_back_to(project: Project) -> None:
    """Each process knows it by another number: it was served again and again."""
    conf = "__reload__ = 'never'\nVALUE = {}\n"
    shows = SHOWN.replace("val, other", "val, other, conf").replace("}", ", 'conf': conf.VALUE}")
    project.save({"conf.py": conf.format(1), "web.py": WSGI + shows})
    project.serve()
    numbers = {}
    for value in (2, 3):
        project.save({"conf.py": conf.format(value)})
        project.until_answered(conf=value)
        numbers[value] = project.statuses()[0]["generation"]
    assert project.type("rollback")[0] == 0
    assert served(project)["conf"] == 2
    project.save({"conf.py": conf.format(4)})
    project.until_answered(conf=4)
    code, out = project.type("rollback", "--to", str(numbers[3]))
    assert (code, served(project)["conf"]) == (0, 3), out
    project.save({"conf.py": conf.format(5)})
    project.until_answered(conf=5)
    for value in (3, 2, 1):
        code, out = project.type("rollback")
        if value == 1:
            # Of more states than are kept.
            assert (code, "is not kept any more" in out) == (2, True), out
        else:
            assert (code, served(project)["conf"]) == (0, value), out


@pytest.mark.parametrize("what_ends", ["the server", "the worker"])
def test_p16_a_rollback_by_fresh_processes_is_kept_when_it_is_answered(
    project: Project, what_ends: str
) -> None:
    """Until then the state on disk is that of the processes that were left."""
    conf = "__reload__ = 'never'\nVALUE = {}\n"
    shows = SHOWN.replace("val, other", "val, other, conf").replace("}", ", 'conf': conf.VALUE}")
    project.save({"conf.py": conf.format(1), "web.py": WSGI + shows})
    project.serve()
    edit(project, val="better")
    project.save({"conf.py": conf.format(2)})
    project.until_answered(conf=2)
    code, out = project.type("rollback")
    assert (code, "rolled back by fresh processes" in out) == (0, True), out
    assert "not kept on disk" not in out
    if what_ends == "the server":
        project.crash()
        project.serve()
    else:
        (pid,) = project.pids()
        project.kill(pid)
        project.until("another one", lambda: project.pids() not in ({pid}, set()))
    assert served(project) == {"val": "better", "other": 1, "conf": 1}
    code, out = project.type("rollback")
    assert (code, served(project)) == (0, {"val": "good", "other": 1, "conf": 1}), out


def test_p16_all_workers_go_back_to_the_named_one_of_two_equal_states(project: Project) -> None:
    """What was left is served again by an accept, and then both numbers lead to it."""
    settings = project.folder / "pyproject.toml"
    settings.write_text(settings.read_text() + "keep = 6\n")
    project.serve("--workers", "2")
    first = project.statuses()[0]["generation"]
    edit(project, val="better")
    edit(project, val="bad")
    named = project.statuses()[0]["generation"]
    assert project.type("rollback", "--to", str(first))[0] == 0
    code, out = project.type("accept")
    assert (code, served(project)["val"]) == (0, "bad"), out
    edit(project, val="last")
    asked, _ = sorted(project.pids())
    code, out = project.type("rollback", "--pid", str(asked), "--to", str(named))
    assert (code, served(project)["val"]) == (0, "bad"), out
    # Before the named one came "better"; before the one that was accepted, "good".
    told = {
        pid: project.type("rollback", "--pid", str(pid), "--dry-run")[1].partition("back to ")[2]
        for pid in project.pids()
    }
    assert len(told) == 2
    assert len(set(told.values())) == 1, told
    code, out = project.type("rollback", "--pid", str(max(project.pids())))
    assert (code, served(project)["val"]) == (0, "better"), out
