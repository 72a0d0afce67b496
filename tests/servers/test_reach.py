"""Commands act on the processes of this project, and tell the processes of containers apart."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.servers

CAP = 30.0
# Serves until its input ends: what a server of its own kind does, without a port.
PROGRAM = """
import os, sys
import transfuse
import prices
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    print(transfuse.import_module("prices").PRICE, flush=True)
"""
# A server with workers: they have one parent, of the same program.
PARENT = """
import subprocess, sys
workers = [subprocess.Popen([sys.executable, "worker.py"], stdin=subprocess.PIPE) for _ in "ab"]
for line in sys.stdin:
    pass
for worker in workers:
    worker.stdin.close()
for worker in workers:
    worker.wait()
"""
WORKER = """
import os, sys
import transfuse
from transfuse.control import unix_socket
transfuse.install()
import prices
assert unix_socket.serve("serve shop")
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    pass
"""


# Between the tests and a program, as at a terminal: programs with one parent, of the same program as
# they, are workers of one server.
SHELL = ("sh", "-c", '"$0" "$@"; exit $?')


class Running:
    """A program that runs in a project, and what it prints.

    Attributes:
        pid: the process id of the one that says so last.
    """

    def __init__(self, command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.pid = 0
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self) -> str:
        """The price that it serves."""
        assert self.process.stdin is not None
        self.process.stdin.write("price\n")
        self.process.stdin.flush()
        return self.line()

    def becomes_ready(self) -> None:
        word, _, pid = self.line().partition(" ")
        assert word == "ready"
        self.pid = int(pid)

    def stop(self) -> None:
        """Stop it, and wait until the system says that it is."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + CAP
        while state_of(self.pid) != "T":
            assert time.monotonic() < deadline, state_of(self.pid)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        if self.process.poll() is None and self.pid:
            self.go_on()
        self.process.communicate(timeout=CAP)


class Machine:
    """Projects, the programs that run in them, and a command line."""

    def __init__(self, place: Path, runtime: Path) -> None:
        self.place = place
        self.environ = {"XDG_RUNTIME_DIR": str(runtime), "NO_COLOR": "1"}
        self._all: list[Running] = []

    def project(self, name: str, *, toml: bool = True) -> Path:
        folder = self.place / name
        folder.mkdir(parents=True)
        files = {"program.py": PROGRAM, "parent.py": PARENT, "worker.py": WORKER}
        for file, text in files.items():
            (folder / file).write_text(textwrap.dedent(text))
        if toml:
            (folder / "pyproject.toml").write_text("[tool.transfuse]\nwatch = false\n")
        self.save(folder, 1)
        return folder

    def save(self, folder: Path, price: int) -> None:
        beside = folder / "prices.new"
        beside.write_text(f"PRICE = {price}\n")
        beside.replace(folder / "prices.py")

    def run(self, folder: Path, *, lines: int = 1, words: tuple[str, ...] = ()) -> Running:
        command = [*SHELL, sys.executable, "-m", "transfuse", "run", "--no-watch", "program.py"]
        running = Running(list(words) or command, folder, self.environ)
        self._all.append(running)
        for _ in range(lines):
            running.becomes_ready()
        return running

    def type(self, folder: Path, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "transfuse", *words],
            cwd=folder,
            env={**os.environ, **self.environ},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=CAP,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def rows(self, folder: Path, *words: str) -> list[dict[str, Any]]:
        _, out, _ = self.type(folder, *words, "--json")
        return [json.loads(line) for line in out.splitlines()]

    def pids(self, folder: Path, *words: str) -> list[int]:
        return [row["pid"] for row in self.rows(folder, *words)]

    def end(self) -> None:
        for running in self._all:
            running.end()


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


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


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


CONTAINER = ["unshare", "--pid", "--mount", "--fork", "--mount-proc"]


def has_containers() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0


containers = pytest.mark.skipif(not has_containers(), reason="no containers can be made here")


@containers
def test_a_look_from_a_container_takes_nothing_from_the_processes_outside(
    machine: Machine, runtime: Path
) -> None:
    shop = machine.project("shop")
    running = machine.run(shop)
    workers = machine.run(shop, lines=2, words=(sys.executable, "parent.py"))
    before = sorted(runtime.rglob("*"))
    inside = subprocess.run(
        [*CONTAINER, sys.executable, "-m", "transfuse", "ps", "--json"],
        env={**os.environ, **machine.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=CAP,
    )
    rows = [json.loads(line) for line in inside.stdout.splitlines()]
    # They live, and their process ids mean nothing there.
    assert [(row["pid"], row["state"]) for row in rows] == [(None, "serving")] * 3
    # A server that starts there removes nothing either.
    machine.run(shop, lines=2, words=(*CONTAINER, sys.executable, "parent.py")).end()
    assert set(before) <= set(runtime.rglob("*"))
    assert len(machine.pids(shop, "status")) == 3
    assert workers.process.poll() is None
    assert running.ask() == "1"


RELEASE = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "worker.py"], stdin=subprocess.PIPE)
for line in sys.stdin:
    pass
worker.stdin.close()
worker.wait()
"""
SHOWS = """
import sys
import transfuse
from transfuse.control import unix_socket
transfuse.install(watch=False)
import prices
assert unix_socket.serve("serve shop")
print("ready", prices.PRICE, flush=True)
for line in sys.stdin:
    pass
"""


@containers
def test_two_containers_with_the_same_ids_and_paths_are_two_servers(machine: Machine) -> None:
    """In both, the parent is process 1, and the project is at the same path: of two releases."""
    at = machine.place / "app"
    at.mkdir()
    running = []
    for number, release in enumerate(("old", "new"), 1):
        folder = machine.project(release)
        (folder / "parent.py").write_text(RELEASE)
        (folder / "worker.py").write_text(SHOWS)
        machine.save(folder, number)
        script = f"mount --bind {folder} {at} && cd {at} && exec {sys.executable} parent.py"
        running.append(machine.run(at, lines=0, words=(*CONTAINER, "sh", "-c", script)))
        assert running[-1].line() == f"ready {number}"
        # What the first one has on disk by now is none of the second one's business.
        (folder / "prices.py").write_text("PRICE = (\n")
    rows = machine.rows(machine.place, "ps")
    assert len({row["server"] for row in rows}) == 2
    # Each as its own project: the path is the same, and leads to another folder.
    for release in ("old", "new"):
        found = machine.rows(machine.place / release, "status")
        assert len(found) == 1
        assert found[0]["pid"] in [row["pid"] for row in rows]
    assert machine.type(at, "status")[0] == 2
