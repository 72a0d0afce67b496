"""`transfuse run --json` tells a program what happens, a line an event."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("click")

CAP = 60.0
DOCS = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


class Terminal:
    """A project in which `transfuse run` is typed."""

    def __init__(self, place: Path) -> None:
        self.place = place / "app"
        self.place.mkdir()
        (self.place / "pyproject.toml").touch()

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.place / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def type(self, *words: str) -> tuple[int, str, str]:
        """Run a command to its end: its code, what it wrote to stdout and to stderr."""
        done = subprocess.run(
            [sys.executable, "-m", "transfuse", *words],
            cwd=self.place,
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.place.parent)},
            capture_output=True,
            text=True,
            timeout=CAP,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


EVENTS = """
    import sys
    import transfuse, shop.prices
    with open(shop.prices.__file__, "w") as file:
        file.write("PRICE = 22\\n")
    transfuse.update()
    print("a line of its own")
    sys.exit(shop.prices.PRICE - 19)
    """


def test_run_with_json_tells_events_with_the_keys_that_are_documented(terminal: Terminal) -> None:
    terminal.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1\n", "work.py": EVENTS})
    code, out, _ = terminal.type("run", "--json", "--no-watch", "work.py", "--json")
    told = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert (code, [each["event"] for each in told]) == (3, ["running", "update", "ended"])
    assert "a line of its own" in out
    for each in told:
        assert set(each) == documented(each["event"])
    assert (told[0]["program"], told[0]["roots"]) == ("work.py", [str(terminal.place)])
    assert (told[1]["outcome"], told[1]["generation"], told[2]["code"]) == ("published", 2, 3)


@pytest.mark.parametrize(("statement", "code"), [("pass", 0), ("1 / 0", 1), ("exit('no')", 1)])
def test_run_with_json_tells_how_it_ends(terminal: Terminal, statement: str, code: int) -> None:
    terminal.write({"work.py": f"{statement}\n"})
    found, out, _ = terminal.type("run", "--json", "--no-watch", "work.py")
    assert (found, json.loads(out.splitlines()[-1])["code"]) == (code, code)


def test_an_error_before_a_program_is_json_only_if_ours_is(terminal: Terminal) -> None:
    code, _, err = terminal.type("run", "--json", "nothing.py")
    assert (code, json.loads(err)["code"]) == (2, 2)
    code, _, err = terminal.type("run", "nothing.py", "--json")
    assert (code, err.startswith("transfuse: there is no file nothing.py")) == (2, True), err


def documented(event: str) -> set[str]:
    """The keys that the documentation has for an event of `run`, of those of `update` all."""
    section = DOCS.partition("### `transfuse run --json`")[2].partition("\n#")[0]
    if event == "update":
        section = DOCS.partition("### `transfuse update --json`")[2].partition("\n#")[0]
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        return {"event", "pid", *re.findall(r"`(\w+)`", "".join(rows))} - {"text"}
    (keys,) = re.findall(rf"^\| `{event}` \| ([^:]*?)(?::.*)? \|$", section, re.MULTILINE)
    return {"event", "pid", *re.findall(r"`(\w+)`", keys)}
