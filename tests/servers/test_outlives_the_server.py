"""P16: what was rolled back or refused stays so, however the server ends."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from servers.process import free_port
from support.serving import ASGI, WSGI, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

SHOWN = "import val, other\ndef shown(): return {'val': val.VALUE, 'other': other.VALUE}\n"
GOOD, BAD, BROKEN = "VALUE = 'good'\n", "VALUE = 'bad'\n", "VALUE = 1 / 0\n"


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    yield project
    project.end()


def begin(project: Project, *options: str, text: str = WSGI) -> None:
    project.save({"val.py": GOOD, "other.py": "VALUE = 1\n", "web.py": text + SHOWN})
    project.serve(*options)
    assert shown(project) == ("good", 1)


def shown(project: Project) -> tuple[Any, Any]:
    answer = project.ask()
    return answer["val"], answer["other"]


def status(project: Project) -> dict[str, Any]:
    _, out = project.type("status", "--json")
    told: dict[str, Any] = json.loads(out.splitlines()[0])
    return told


def until_kept(project: Project) -> None:
    """Wait until what is served now is on disk, which the answer to an update does not."""

    def so() -> bool:
        (folder,) = (project.state / "transfuse").iterdir()
        return (folder / "written").read_text().split()[:1] == [now["view"]]

    now = status(project)
    project.until("kept", so)


def roll_back_a_bad_edit(project: Project) -> None:
    project.save({"val.py": BAD})
    project.until_answered(val="bad")
    code, out = project.type("rollback")
    assert code == 0, out
    assert shown(project)[0] == "good"


def refuse_a_broken_edit(project: Project) -> None:
    before = status(project)["refused"]
    project.save({"val.py": BROKEN})
    project.until("it is refused", lambda: status(project)["refused"] > before)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("text", [ASGI, WSGI], ids=["asgi", "wsgi"])
def test_p16_an_operator_at_night(project: Project, text: str, workers: int) -> None:
    """A bad edit, a rollback, another save, a crash, a restart."""
    begin(project, "--workers", str(workers), text=text)
    roll_back_a_bad_edit(project)
    project.save({"other.py": "VALUE = 2\n"})
    project.until_answered(val="good", other=2)
    generation = status(project)["generation"]
    until_kept(project)
    project.crash()
    project.serve("--workers", str(workers))
    assert shown(project) == ("good", 2)
    assert "serving as in generation" in project.log
    assert "val.py (rolled back at " in project.log
    now = status(project)
    assert now["set_aside"] == [str(project.folder / "site" / "val.py")]
    assert now["generation"] > generation
    project.save({"other.py": "VALUE = 3\n"})
    project.until_answered(val="good", other=3)
    code, out = project.type("accept")
    assert (code, shown(project)) == (0, ("bad", 3)), out


def test_p16_a_rollback_outlives_a_crash_at_the_moment_of_its_answer(project: Project) -> None:
    begin(project, "--workers", "2")
    roll_back_a_bad_edit(project)
    project.crash()
    project.serve("--workers", "2")
    assert shown(project) == ("good", 1)


@pytest.mark.parametrize("how", ["crash", "end"])
def test_p16_a_refused_edit_is_tried_again_and_does_not_keep_the_server_down(
    project: Project, how: str
) -> None:
    begin(project)
    refuse_a_broken_edit(project)
    project.crash() if how == "crash" else project.end()
    project.serve()
    assert shown(project) == ("good", 1)
    assert "val.py (refused at " in project.log
    project.until("it is refused again", lambda: status(project)["failing"] is not None)
    assert shown(project) == ("good", 1)
    project.save({"val.py": "VALUE = 'mended'\n"})
    project.until_answered(val="mended")


def test_p16_what_was_deployed_while_it_was_down_is_served(project: Project) -> None:
    begin(project)
    roll_back_a_bad_edit(project)
    project.crash()
    project.save({"other.py": "VALUE = 2\n"})
    project.serve()
    assert shown(project) == ("good", 2)
    assert "and taken from disk: other.py" in project.log
    project.crash()
    project.save({"val.py": "VALUE = 'mended'\n"})
    project.serve()
    assert shown(project) == ("mended", 2)
    assert status(project)["set_aside"] == []


def test_from_disk_takes_the_disk_and_forgets(project: Project) -> None:
    begin(project)
    roll_back_a_bad_edit(project)
    project.crash()
    project.serve("--from", "disk")
    assert shown(project) == ("bad", 1)
    assert "taken from disk: val.py (rolled back at " in project.log
    until_kept(project)
    project.crash()
    project.serve()
    assert shown(project) == ("bad", 1)


def test_from_last_takes_what_was_served_and_sets_the_rest_aside(project: Project) -> None:
    begin(project)
    roll_back_a_bad_edit(project)
    project.crash()
    project.save({"other.py": "1 / 0\n", "val.py": "VALUE = 'worse'\n"})
    (project.folder / "site" / "new.py").write_text("")
    project.serve("--from", "last")
    assert shown(project) == ("good", 1)
    assert len(status(project)["set_aside"]) == 3
    project.crash()
    project.serve()
    assert shown(project) == ("good", 1)
    project.save({"other.py": "VALUE = 2\n"})
    project.until_answered(val="good", other=2)
    code, out = project.type("accept", "site/val.py")
    assert (code, shown(project)) == (0, ("worse", 2)), out


def test_what_cannot_be_loaded_from_disk_says_that_there_is_another(project: Project) -> None:
    begin(project)
    until_kept(project)
    project.crash()
    project.save({"val.py": BROKEN})
    code, out = project.type("serve", "web:app", "--port", str(project.port))
    assert code == 2
    assert "--from last serves what was served" in out
    project.serve("--from", "last")
    assert shown(project) == ("good", 1)


@pytest.mark.parametrize("before", [roll_back_a_bad_edit, refuse_a_broken_edit])
def test_p16_a_lone_worker_that_is_killed_is_replaced_by_one_that_serves_the_same(
    project: Project, before: Any
) -> None:
    begin(project, "--from", "disk")
    before(project)
    (pid,) = project.pids()
    os.kill(pid, signal.SIGKILL)
    project.until("another", lambda: project.pids() - {pid} != set())
    assert shown(project) == ("good", 1)
    project.save({"other.py": "VALUE = 2\n", "val.py": "VALUE = 'mended'\n"})
    project.until_answered(val="mended", other=2)


def test_p4_a_lone_worker_is_replaced_though_the_disk_has_broken_files(project: Project) -> None:
    begin(project, "--no-watch")
    until_kept(project)
    project.save({"val.py": BROKEN})
    (pid,) = project.pids()
    os.kill(pid, signal.SIGKILL)
    project.until("another", lambda: project.pids() - {pid} != set())
    assert shown(project) == ("good", 1)
    code, out = project.type("update")
    assert code != 0
    assert "still serving" in out


def test_two_servers_of_one_project_keep_apart(project: Project) -> None:
    begin(project)
    roll_back_a_bad_edit(project)
    first = project.port
    project.crash()
    project.port = free_port()
    project.serve()
    assert shown(project) == ("bad", 1)
    project.crash()
    project.port = first
    project.serve()
    assert shown(project) == ("good", 1)


def test_garbage_in_the_folder_counts_for_nothing_and_is_written_over(project: Project) -> None:
    begin(project)
    roll_back_a_bad_edit(project)
    project.crash()
    (folder,) = (project.state / "transfuse").iterdir()
    assert (folder.stat().st_mode & 0o777, project.folder.name in folder.name) == (0o700, True)
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
        file.write_bytes(os.urandom(5000))
    project.serve()
    assert shown(project) == ("bad", 1)
    project.save({"val.py": "VALUE = 'worse'\n"})
    project.until_answered(val="worse")
    code, out = project.type("rollback")
    assert code == 0, out
    project.crash()
    project.serve()
    assert shown(project) == ("bad", 1)


def test_without_a_folder_it_is_said_once_and_all_else_works(project: Project) -> None:
    project.state.write_text("a file in its place")
    begin(project, "--workers", "2")
    roll_back_a_bad_edit(project)
    project.save({"val.py": "VALUE = 'worse'\n"})
    project.until_answered(val="worse")
    code, out = project.type("rollback")
    assert (code, "it is not kept on disk" in out) == (0, True), out
    assert shown(project)[0] == "good"
    assert project.log.count("would not outlive this server") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_p16_without_a_folder_it_outlives_all_workers_and_a_handover(
    project: Project, workers: int
) -> None:
    """The parent process still serves: for it nothing has ended."""
    project.state.write_text("a file in its place")
    begin(project, "--workers", str(workers))
    project.until("all", lambda: len(project.pids()) == workers)
    roll_back_a_bad_edit(project)
    before = project.pids()
    for pid in before:
        project.kill(pid)
    project.until("others", lambda: len(project.pids() - before) == workers)
    assert shown(project)[0] == "good"
    project.save({"val.py": "VALUE = 'worse'\n"})
    project.until_answered(val="worse")
    code, out = project.type("handover")
    assert (code, "it is not kept on disk" in out) == (0, True), out
    code, out = project.type("rollback")
    assert (code, shown(project)[0]) == (0, "good"), out
    # It is kept as soon as that is possible.
    project.state.unlink()
    project.save({"val.py": "VALUE = 'better'\n"})
    project.until_answered(val="better")
    code, out = project.type("rollback")
    assert (code, "it is not kept on disk" in out) == (0, False), out
    project.crash()
    project.serve()
    assert shown(project)[0] == "good"


def test_remember_false_keeps_nothing(project: Project) -> None:
    toml = project.folder / "pyproject.toml"
    toml.write_text(toml.read_text() + "remember = false\n")
    begin(project)
    roll_back_a_bad_edit(project)
    assert not project.state.exists()
    project.crash()
    project.serve()
    assert shown(project) == ("bad", 1)


def test_p16_status_and_history_say_what_was_taken_at_the_start(project: Project) -> None:
    begin(project)
    roll_back_a_bad_edit(project)
    project.crash()
    project.save({"other.py": "VALUE = 2\n"})
    project.serve()
    for command in ("status", "history"):
        _, out = project.type(command)
        assert "serving as in generation" in out, out
        assert "val.py (rolled back at " in out, out
        assert "set aside" in out, out
    kinds = {(each["difference"], each["is_last"]) for each in status(project)["resumed"]["files"]}
    assert kinds == {("rolled back", True), ("changed", False)}


def test_p16_a_program_that_is_run_goes_on_with_what_it_served(project: Project) -> None:
    project.save({"val.py": GOOD, "other.py": "VALUE = 1\n"})
    (project.folder / "program.py").write_text(
        "import http.server, json, sys, transfuse\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        import val, other\n"
        "        body = json.dumps({'val': val.VALUE, 'other': other.VALUE}).encode()\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Answer).serve_forever()\n"
    )
    words = ["program.py", str(project.port)]
    project.serve_by("transfuse", "run", *words)
    assert shown(project) == ("good", 1)
    roll_back_a_bad_edit(project)
    project.crash()
    project.serve_by("transfuse", "run", *words)
    assert shown(project) == ("good", 1)
    assert "val.py (rolled back at " in project.log
    project.crash()
    project.serve_by("transfuse", "run", "--from", "disk", *words)
    assert shown(project) == ("bad", 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_p16_another_server_remembers_by_a_setting(project: Project, workers: int) -> None:
    toml = project.folder / "pyproject.toml"
    toml.write_text(toml.read_text() + "remember = true\n")
    project.save({"val.py": GOOD, "other.py": "VALUE = 1\n", "web.py": WSGI + SHOWN})
    (project.folder / "serve.py").write_text(
        "import logging, transfuse\nlogging.basicConfig(level=logging.INFO)\n"
        "app = transfuse.wsgi('web:app')\n"
    )
    words = ["gunicorn", "--workers", str(workers), "--bind", f"127.0.0.1:{project.port}"]
    project.serve_by(*words, "serve:app")
    assert shown(project) == ("good", 1)
    roll_back_a_bad_edit(project)
    project.crash()
    project.serve_by(*words, "serve:app")
    assert shown(project) == ("good", 1)
    assert "val.py (rolled back at " in project.log
    assert "--from" not in project.log


def test_p16_after_a_handover_the_fresh_processes_keep_what_is_served(project: Project) -> None:
    begin(project)
    code, out = project.type("handover")
    assert code == 0, out
    roll_back_a_bad_edit(project)
    project.crash()
    project.serve()
    assert shown(project) == ("good", 1)


@pytest.mark.parametrize("remember", [True, False])
def test_from_last_is_refused_where_nothing_is_kept(project: Project, remember: bool) -> None:
    if not remember:
        toml = project.folder / "pyproject.toml"
        toml.write_text(toml.read_text() + "remember = false\n")
    project.save({"val.py": GOOD, "other.py": "VALUE = 1\n", "web.py": WSGI + SHOWN})
    words = ["serve", "web:app", "--port", str(project.port), "--from", "last"]
    code, out = project.type(*words)
    assert code == 2
    assert ("nothing is kept of" if remember else "the setting remember is false") in out
    (project.folder / "program.py").write_text("print('begun')\n")
    code, out = project.type("run", "--from", "last", "program.py")
    assert (code, "--from last: " in out, "begun" in out) == (2, True, False), out
