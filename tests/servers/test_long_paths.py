"""A server whose folders of sockets have paths that are too long for an address."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from crowd import CAP, Crowd, wait_for

from servers.process import Server, free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b'{"value": 1}']
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of sockets, and that for temporary files: of 150 characters and more."""
    long = tmp_path / ("long" * 38)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setenv("TMPDIR", str(long))
    return long


def test_workers_meet_there(tmp_path: Path, folder: Path) -> None:
    root = tmp_path / "site"
    root.mkdir()
    crowd = Crowd(root, tmp_path)
    crowd.write(shop="VALUE = 1\n")
    try:
        first, second = crowd.start(), crowd.start()
        crowd.write(shop="VALUE = 2\n")
        crowd.all_serve(2, 2)
        wait_for("the line", lambda: "2 workers switched to generation 2" in first.log)
        assert "cannot be met" not in first.log + second.log
        assert list(folder.glob("transfuse-*/workers-*/0.sock"))
    finally:
        crowd.end()


def test_commands_and_handovers_reach_it(tmp_path: Path, folder: Path) -> None:  # noqa: ARG001
    (tmp_path / "web.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text("[tool.transfuse]\nroots = ['.']\n")
    port = free_port()
    command = [sys.executable, "-m", "transfuse"]
    server = Server([*command, "serve", "web:app", "--port", str(port)], tmp_path, port)

    def told(*words: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*command, *words, "--json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=CAP,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr + server.log
        return [json.loads(line) for line in done.stdout.splitlines()]

    try:
        server.wait_until_ready()
        (before,) = told("status")
        assert told("handover")[0]["outcome"] == "handed over"
        (after,) = told("status")
        assert after["pid"] != before["pid"]
    finally:
        server.stop()
