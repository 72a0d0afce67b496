"""`docs/command-line.md` says of every command what it prints for a program, and how it ends.

The tests go over all commands that there are: a new one has to be documented.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("click")

from transfuse.cli import exit_codes
from transfuse.cli.group import transfuse

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP = 60.0
DOCS = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
PROGRAM = """
import os
import prices
print("ready", os.getpid(), flush=True)
input()
"""
COMMANDS = sorted(transfuse.commands)
# Those that ask running processes.
ASKING = sorted(
    name
    for name, command in transfuse.commands.items()
    if any(parameter.name == "pid" for parameter in command.params)
)
# A command line of each that makes no sense.
SENSELESS = {"completion": ["tcsh"], "serve": ["nothing.of:this"], "run": ["nothing.py"]}


def section(title: str) -> str:
    """The text below a title, up to the next one."""
    _, found, rest = DOCS.partition(f"{title}\n")
    assert found, f"docs/command-line.md has no section {title!r}"
    return re.split(r"\n#", rest)[0]


def keys_of(text: str) -> set[str]:
    """The names in the first columns of the tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


class Place:
    """A project, a program that runs in it, and the command line."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        (folder / "program.py").write_text(PROGRAM)
        self.save("PRICE = 1\n")
        words = [sys.executable, "-m", "transfuse", "run", "--no-watch", "program.py"]
        self.process = subprocess.Popen(
            # Under a shell, as at a terminal.
            ["sh", "-c", '"$0" "$@"; exit $?', *words],
            cwd=folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.pid = int(self.process.stdout.readline().split()[1])

    def save(self, text: str) -> None:
        beside = self.folder / "prices.new"
        beside.write_text(text)
        beside.replace(self.folder / "prices.py")

    def type(self, *words: str, cwd: Path | None = None) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "transfuse", *words],
            cwd=cwd or self.folder,
            env=self.environ,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=CAP,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def reply(self, *words: str) -> dict[str, Any]:
        code, out, err = self.type(*words, "--json")
        assert (code, err) == (0, ""), err
        (line,) = out.splitlines()
        reply: dict[str, Any] = json.loads(line)
        return reply


@pytest.fixture
def place(tmp_path: Path, runtime: Path) -> Iterator[Place]:
    place = Place(tmp_path, runtime)
    yield place
    os.kill(place.pid, signal.SIGCONT)
    place.process.communicate("\n", timeout=CAP)


def test_the_table_of_commands_has_each_option() -> None:
    of_all = {"--pid", "--project", "--all", "--timeout", "--json"}
    own = {
        name: {
            option
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--") and not getattr(parameter, "hidden", False)
        }
        - (of_all - {"--timeout"} if name == "ps" else of_all)
        for name, command in transfuse.commands.items()
    }
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", section("## Commands"), re.MULTILINE)
    assert {name: set(re.findall(r"`(--[\w-]+)`", options)) for name, options in rows} == own


def test_the_table_of_exit_codes_is_the_one_in_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section("## Exit codes"), re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == exit_codes.MEANINGS


def test_each_command_ends_with_its_code(place: Place) -> None:
    """0, 1, 2 and 3, for all commands."""
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").touch()
    os.kill(place.pid, signal.SIGSTOP)
    wait_until_stopped(place.pid)
    for name in COMMANDS:
        assert place.type(name, "--help")[0] == exit_codes.DONE, name
        # What follows the program's name is the program's.
        words = [name, "--nonsense"] if name != "run" else [name, "--policy", "nonsense"]
        assert place.type(*words)[0] == exit_codes.SENSELESS, name
        if name in SENSELESS:
            code, out, _ = place.type(name, *SENSELESS[name])
            assert (code, out) == (exit_codes.SENSELESS, ""), name
    for name in ASKING:
        code, out, err = place.type(name, "--timeout", "0.2")
        assert (code, out) == (exit_codes.SILENT, ""), name
        assert f"process {place.pid} does not answer within 0.2 s: it is stopped" in err
        code, out, err = place.type(name, "--json", cwd=elsewhere)
        assert (code, out) == (exit_codes.SENSELESS, ""), name
        assert set(json.loads(err)) == {"error", "code", "processes"}
        assert json.loads(err)["code"] == code


def test_a_refusal_is_one(place: Place) -> None:
    place.save("1 / 0\n")
    code, out, _ = place.type("update", "--json")
    assert (code, json.loads(out)["outcome"]) == (exit_codes.REFUSED, "refused")
    assert place.type("status")[0] == exit_codes.DONE
    assert place.type("ps")[1].splitlines()[1].split()[3] == "failing"


def test_the_answers_have_the_keys_that_are_documented(place: Place) -> None:
    everywhere = keys_of(section("## JSON"))
    assert everywhere == {"pid", "process", "project", "started"}
    place.save("PRICE = 2\n")
    replies = {name: place.reply(name) for name in ("plan", "update", "status", "leaks", "ps")}
    documented = {}
    for name, reply in replies.items():
        documented[name] = keys_of(section(f"### `transfuse {name} --json`"))
        assert set(reply) == everywhere | documented[name], name
    assert set(place.reply("rollback")) == set(replies["update"])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_with_json_has_its_section(name: str) -> None:
    if any("--json" in parameter.opts for parameter in transfuse.commands[name].params):
        assert section(f"### `transfuse {name} --json`")
    else:
        assert name == "completion", "it prints what is no JSON"


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + CAP
    while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "T":
        assert time.monotonic() < deadline, state
