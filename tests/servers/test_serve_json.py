"""`transfuse serve --json` tells a program what happens, a line an event."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

CAP = 30.0
APP = """
VALUE = {0}
print("a line of the application's own", flush=True)

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"{0}"]
"""
DOCS = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def documented(event: str) -> set[str]:
    """The keys that the documentation has for an event."""
    rows = re.findall(rf"^\| `{event}` \| (.*) \|$", DOCS, re.MULTILINE)
    return {"event", "pid", *re.findall(r"`(\w+)`", rows[0])}


@pytest.fixture
def server(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    (tmp_path / "web.py").write_text(APP.format(1))
    command = [sys.executable, "-m", "transfuse", "serve", "web:app", "--json"]
    with subprocess.Popen(
        [*command, "--interface", "wsgi", "--port", str(free_port())],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        yield server
        server.kill()


def next_event(server: subprocess.Popen[str]) -> dict[str, Any]:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith('{"event"'):
            event: dict[str, Any] = json.loads(line)
            return event
    raise AssertionError("it has ended")


def test_events_are_told_with_the_keys_that_are_documented(
    server: subprocess.Popen[str], tmp_path: Path
) -> None:
    serving = next_event(server)
    assert (serving["event"], set(serving)) == ("serving", documented("serving"))
    assert (serving["interface"], serving["generation"]) == ("wsgi", 1)

    for text, outcome in ((APP.format(2), "published"), ("1 / 0\n", "refused")):
        beside = tmp_path / "web.new"
        beside.write_text(text)
        beside.replace(tmp_path / "web.py")
        update = next_event(server)
        assert (update["event"], update["outcome"], update["generation"]) == ("update", outcome, 2)
        assert update["pid"] == serving["pid"]

    server.send_signal(signal.SIGTERM)
    ended = next_event(server)
    assert set(ended) == documented("ended") - {"SIGINT", "SIGTERM"}
    assert (ended["by"], ended["killed"], ended["pid"]) == ("SIGTERM", [], server.pid)
    assert server.wait(CAP) == 0
