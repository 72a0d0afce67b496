"""Commands act on the processes of this project, and say which there are."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from machine import CAP, SHELL, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers


@pytest.fixture
def machine(tmp_path: Path, runtime: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, runtime)
    yield machine
    machine.end()


def test_a_rollback_in_one_project_leaves_the_server_of_another_alone(machine: Machine) -> None:
    shop, blog = machine.project("shop"), machine.project("blog")
    of_shop, of_blog = machine.run(shop), machine.run(blog)
    for folder in (shop, blog):
        machine.save(folder, 2)
        assert machine.type(folder, "update")[0] == 0
    assert (of_shop.ask(), of_blog.ask()) == ("2", "2")

    code, out, err = machine.type(shop, "rollback")
    assert (code, err) == (0, "")
    assert out.startswith(f"process {of_shop.pid}: run program.py: rolled back in ")
    assert (of_shop.ask(), of_blog.ask()) == ("1", "2")

    # Others are reached by the options that name them.
    assert machine.pids(shop, "status", "--pid", str(of_blog.pid)) == [of_blog.pid]
    assert machine.pids(shop, "status", "--project", "../blog") == [of_blog.pid]
    both = sorted([of_shop.pid, of_blog.pid])
    assert machine.pids(shop, "status", "--all") == both
    assert machine.pids(shop, "ps") == both


def test_a_folder_inside_of_a_project_belongs_to_it_and_one_above_does_not(
    machine: Machine,
) -> None:
    shop = machine.project("all/shop")
    inside = shop / "docs" / "old"
    inside.mkdir(parents=True)
    link = machine.place / "link"
    link.symlink_to(shop)
    running = machine.run(shop)
    for folder in (shop, inside, link):
        assert machine.pids(folder, "status") == [running.pid], folder

    code, out, err = machine.type(machine.place, "status")
    assert (code, out) == (2, "")
    assert err == (
        f"transfuse: no process of the project {machine.place} is served by Transfuse; those of"
        " other projects, for --pid, --project or --all:\n"
        f"  {running.pid}  run program.py  in {shop}\n"
    )
    code, out, err = machine.type(machine.place, "update", "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["processes"] == [f"{running.pid}  run program.py  in {shop}"]


def test_without_a_pyproject_the_roots_tell(machine: Machine) -> None:
    shop = machine.project("shop", toml=False)
    (shop / "templates").mkdir()
    running = machine.run(shop)
    for folder in (shop, shop / "templates"):
        assert machine.pids(folder, "status") == [running.pid]
    assert machine.type(machine.place, "status")[0] == 2


def test_a_service_that_is_started_elsewhere_belongs_to_the_project_of_its_root(
    machine: Machine,
) -> None:
    shop = machine.project("shop")
    program = str(shop / "program.py")
    command = (*SHELL, sys.executable, "-m", "transfuse", "run", "--root", str(shop), program)
    running = machine.run(machine.place, words=command)
    assert machine.pids(shop, "status") == [running.pid]


def test_several_servers_of_a_project_are_named_where_one_is_meant(machine: Machine) -> None:
    shop = machine.project("shop")
    first, second = machine.run(shop), machine.run(shop)
    machine.save(shop, 2)
    # It is for all of them.
    assert machine.type(shop, "update")[0] == 0
    assert (first.ask(), second.ask()) == ("2", "2")

    code, out, err = machine.type(shop, "rollback")
    assert (code, out) == (2, "")
    lines = [f"  {each.pid}  run program.py  in {shop}\n" for each in (first, second)]
    assert err.startswith(
        f"transfuse: 2 servers of the project {shop} are running, and this is for one; say"
        " --pid N, or --project . for each of them:\n"
    )
    assert sorted(err.splitlines(keepends=True)[1:]) == sorted(lines)
    assert (first.ask(), second.ask()) == ("2", "2")

    assert machine.type(shop, "rollback", "--pid", str(second.pid))[0] == 0
    assert (first.ask(), second.ask()) == ("2", "1")


def test_what_goes_wrong_in_one_server_hides_nothing_that_others_have_done(
    machine: Machine,
) -> None:
    shop, blog = machine.project("shop"), machine.project("blog")
    first, second = machine.run(shop), machine.run(blog)
    machine.save(shop, 2)
    assert machine.type(shop, "update")[0] == 0
    # Nothing is saved in the other one.
    code, out, err = machine.type(shop, "rollback", "--all")
    assert code == 1, err
    assert out.startswith(f"process {first.pid}: run program.py: rolled back in ")
    line = "there is no earlier generation to go back to"
    assert err == f"transfuse: process {second.pid}: {line} (run program.py)\n"
    assert (first.ask(), second.ask()) == ("1", "1")
    code, out, err = machine.type(shop, "rollback", "--all", "--to", "2", "--json")
    assert (code, json.loads(out)["pid"]) == (1, first.pid)
    assert json.loads(err)["code"] == 1
    # Where none has done anything, the request makes no sense.
    assert machine.type(blog, "rollback")[0] == 2


def test_a_question_at_a_terminal(machine: Machine) -> None:
    shop = machine.project("shop")
    running = {each.pid: each for each in (machine.run(shop), machine.run(shop))}
    machine.save(shop, 2)
    machine.type(shop, "update")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "transfuse", "rollback"],
        cwd=shop,
        env={**os.environ, **machine.environ, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as command:
        os.close(theirs)
        try:
            shown = read_until(ours, "which: ")
        except AssertionError:
            command.kill()
            raise
        second = next(line for line in shown.splitlines() if line.startswith("2  "))
        chosen = int(second.split()[1])
        os.write(ours, b"2\n")
        shown = read_until(ours, "serving generation 3")
        assert f"process {chosen}: run program.py: rolled back in " in shown
        assert command.wait(CAP) == 0
    os.close(ours)
    assert {pid: each.ask() for pid, each in running.items()} == {
        pid: "1" if pid == chosen else "2" for pid in running
    }


def read_until(end: int, text: str) -> str:
    """What a terminal shows, up to a text."""
    shown = ""
    deadline = time.monotonic() + CAP
    while text not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([end], [], [], 1.0)[0]:
            try:
                shown += os.read(end, 65536).decode()
            except OSError:  # the other end is closed
                break
    assert text in shown, shown
    return shown


def test_the_workers_of_one_server_count_as_one(machine: Machine) -> None:
    shop = machine.project("shop")
    parent = machine.run(shop, lines=2, words=(sys.executable, "parent.py"))
    rows = machine.rows(shop, "ps")
    assert (len(rows), len({row["server"] for row in rows})) == (2, 1)
    machine.save(shop, 2)
    assert machine.type(shop, "update")[0] == 0
    code, out, err = machine.type(shop, "rollback")
    assert (code, err) == (0, ""), err
    assert len(out.splitlines()) == 2
    assert {row["generation"] for row in machine.rows(shop, "ps")} == {3}
    # The process that was started is the parent of those that serve.
    by_parent = machine.pids(machine.place, "status", "--pid", str(parent.process.pid))
    assert by_parent == [row["pid"] for row in rows]


def test_ps_lists_each_process_with_its_state(machine: Machine) -> None:
    shop, blog = machine.project("shop"), machine.project("blog")
    failing, stopped = machine.run(shop), machine.run(blog)
    machine.save(shop, 2)
    (shop / "prices.py").write_text("1 / 0\n")
    assert machine.type(shop, "update")[0] == 1
    stopped.stop()

    code, out, err = machine.type(machine.place, "ps", "--timeout", "1")
    assert (code, err) == (0, "")
    title, *lines = out.splitlines()
    assert title.split() == ["PID", "GENERATION", "SINCE", "STATE", "SERVER", "PROJECT"]
    told = {int(line.split()[0]): line.split() for line in lines}
    assert told[failing.pid][1::2] == ["1", "failing", "program.py"]
    assert told[stopped.pid][1::2] == ["-", "stopped", "program.py"]
    assert told[stopped.pid][-1] == str(blog)


def test_status_of_a_server_that_is_stopped(machine: Machine) -> None:
    shop = machine.project("shop")
    first, second = machine.run(shop), machine.run(shop)
    second.stop()
    told = (
        f"process {second.pid} does not answer within 1 s: it is stopped, by a signal or"
        f" a debugger; kill -CONT {second.pid} continues it"
    )
    code, out, err = machine.type(shop, "status", "--timeout", "1")
    assert (code, err) == (3, f"transfuse: {told} (run program.py)\n")
    assert out.startswith(f"process {first.pid}: run program.py\n")

    rows = {row["pid"]: row for row in machine.rows(shop, "status", "--timeout", "1")}
    assert rows[first.pid]["generation"] == 1
    assert rows[second.pid] == {
        "pid": second.pid,
        "process": "run program.py",
        "project": str(shop),
        "state": "stopped",
        "error": told,
    }
    # What changes something is not done later, when it goes on.
    words = ("--pid", str(second.pid), "--timeout", "0.5")
    for command in ("update", "rollback", "plan", "leaks"):
        assert machine.type(shop, command, *words)[0] == 3
    second.go_on()
    assert second.ask() == "1"
    assert machine.type(shop, "status")[0] == 0
