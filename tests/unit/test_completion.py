"""`transfuse completion`: what each shell offers, asked of the real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CAP = 60.0
COMMANDS = ["leaks", "plan", "ps", "rollback", "run", "serve", "status", "update"]
# What is typed, with | for the cursor, and what has to be offered, and must not be.
TYPED = [
    ("transfuse |", [*COMMANDS, "completion"], ["--pid"]),
    ("transfuse st|", ["status"], ["serve", "update"]),
    ("transfuse status --|", ["--json", "--pid", "--project", "--all", "--timeout"], ["--to"]),
    ("transfuse rollback --t|", ["--to", "--timeout"], ["--json"]),
    ("transfuse serve --interface |", ["auto", "asgi", "wsgi"], ["fresh"]),
    ("transfuse serve --policy f|", ["fresh"], ["patch", "overlay"]),
    ("transfuse completion |", ["bash", "zsh", "fish"], ["status"]),
    ("transfuse serve --root s|", ["shop"], ["start.py", "site.txt"]),
    ("transfuse run s|", ["start.py", "shop"], ["status"]),
    ("transfuse status --pid |", ["4242", "4243"], ["status"]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some files, and a `transfuse` that lists two processes."""
    pytest.importorskip("click")
    folder = tmp_path_factory.mktemp("shell")
    (folder / "shop").mkdir()
    for name in ("start.py", "site.txt"):
        (folder / name).touch()
    (folder / "bin").mkdir()
    command = folder / "bin" / "transfuse"
    command.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = ps ]; then echo 4242; echo 4243; exit; fi\n'
        f'exec "{sys.executable}" -m transfuse "$@"\n'
    )
    command.chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        done = run(folder, str(command), "completion", shell)
        (folder / f"script.{shell}").write_text(done)
    return folder


def run(folder: Path, *words: str, text: str = "") -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=CAP,
        check=False,
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "TERM": "dumb",
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BASH = """
source ./script.bash
# As bash sets them: it parts words at spaces, and at the sign of equality.
line=$1
COMP_WORDS=()
for word in ${line//=/ = }; do COMP_WORDS+=("$word"); done
[[ $line == *[\\ =] ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
_transfuse
printf '%s\\n' "${COMPREPLY[@]}"
"""


def by_bash(folder: Path, line: str) -> list[str]:
    return run(folder, "bash", "--norc", "-c", BASH, "bash", line).split()


def by_fish(folder: Path, line: str) -> list[str]:
    said = run(
        folder, "fish", "--no-config", "-c", "source script.fish; complete -C $argv[1]", line
    )
    # A description follows each, after a tab; a folder has its slash.
    return [each.partition("\t")[0].rstrip("/") for each in said.splitlines()]


# Types the line and a tab into a zsh at a terminal of its own, and prints what it then lists, up to
# the last word that is waited for.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; unsetopt zle_bracketed_paste; stty columns 200; autoload -U compinit'
zpty -w shell 'compinit -u -D; source ./script.zsh; LISTMAX=0; zstyle ":completion:*" menu no'
zpty -w shell 'zstyle ":completion:*" list-prompt ""; setopt no_always_last_prompt'
zpty -w shell 'unsetopt automenu; echo REA""DY'
zpty -r shell said '*READY*'
zpty -w -n shell "$1"$'\\t\\t'
zpty -r shell said "*$2*"
print -r -- $said
"""


@pytest.mark.parametrize(("typed", "offered", "others"), TYPED)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_offers(
    folder: Path, shell: str, typed: str, offered: list[str], others: list[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    line = typed.removesuffix("|")
    found = {"bash": by_bash, "fish": by_fish}[shell](folder, line)
    assert set(offered) <= set(found), found
    assert not set(others) & set(found), found


def test_bash_takes_a_value_after_the_sign_of_equality(folder: Path) -> None:
    assert by_bash(folder, "transfuse serve --policy=") == ["overlay", "fresh", "patch", "never"]
    assert by_bash(folder, "transfuse serve --policy=ne") == ["never"]


def test_zsh_takes_the_script(folder: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    code = "autoload -U compinit; compinit -u -D; source ./script.zsh; print $_comps[transfuse]"
    assert run(folder, "zsh", "-f", "-c", code) == "_transfuse\n"
    said = run(folder, "zsh", "-f", "-c", ZSH, "zsh", "transfuse ", "update  ")
    for command in (*COMMANDS, "completion"):
        assert command in said, said
    said = run(folder, "zsh", "-f", "-c", ZSH, "zsh", "transfuse status --", "--timeout  ")
    for option in ("--json", "--pid", "--project", "--all", "--timeout"):
        assert option in said, said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_command_and_option_is_in_the_script(folder: Path, shell: str) -> None:
    """Also of commands that are added later."""
    from transfuse.cli.group import transfuse  # noqa: PLC0415

    script = (folder / f"script.{shell}").read_text()
    for name, command in transfuse.commands.items():
        assert name in script
        for parameter in command.params:
            if parameter.name == "reloads" or parameter.param_type_name != "option":
                continue
            for option in parameter.opts:
                assert option.lstrip("-") in script, (name, option)
