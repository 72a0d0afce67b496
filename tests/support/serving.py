"""An application in a folder, served by `transfuse serve` in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest

from demo.client import Client
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The longest that a test waits for anything here, in seconds.
CAP = 60.0

# What each application begins with: it answers with the values of `shown()`, as JSON.
WSGI = """
import json, os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3)
    body = json.dumps({"pid": os.getpid(), **shown()}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
"""
ASGI = """
import asyncio, json, os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            started(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": json.dumps(shown())})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(3)
    body = json.dumps({"pid": os.getpid(), **shown()}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
def started(what):
    pass
"""


class Project:
    """A folder with an application, and the server that serves it.

    Attributes:
        python: the interpreter that serves it.
    """

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.python = sys.executable
        self.folder = folder
        self.port = free_port()
        self.runtime = runtime
        # Where what is served is kept.
        self.state = runtime / "state"
        self._server: Server | None = None
        (folder / "site").mkdir()
        (folder / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["site"]\n')

    def save(self, files: dict[str, str]) -> None:
        """Save modules of the root; each at one instant."""
        for name, text in files.items():
            path = self.folder / "site" / name
            beside = path.with_suffix(".new")
            beside.write_text(textwrap.dedent(text))
            beside.replace(path)

    def serve(self, *options: str) -> Server:
        """Serve ``web:app`` by `transfuse serve`, and wait until it answers."""
        return self.serve_by("transfuse", "serve", "web:app", "--port", str(self.port), *options)

    def serve_by(self, *words: str) -> Server:
        """Serve by a module with these words, and wait until it answers."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._places.items():
                patch.setenv(name, value)
            self._server = Server([self.python, "-m", *words], self.folder, self.port)
        self._server.wait_until_ready()
        return self._server

    @property
    def _places(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": str(self.runtime), "XDG_STATE_HOME": str(self.state)}

    def crash(self) -> None:
        """Kill all processes of the server at one moment."""
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.stop()

    def kill(self, pid: int) -> None:
        """Kill one process of the server."""
        os.kill(pid, signal.SIGKILL)

    @property
    def log(self) -> str:
        """What the server has written."""
        return self._server.log if self._server is not None else ""

    def type(self, *words: str) -> tuple[int, str]:
        """Run a command; return its exit code and its output."""
        begun = self.begin(*words)
        out, _ = begun.communicate(timeout=CAP)
        return begun.returncode, out

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command, whose output is of one stream."""
        return subprocess.Popen(
            [sys.executable, "-m", "transfuse", *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self._places},
        )

    def statuses(self) -> list[dict[str, Any]]:
        """The objects that `transfuse status --json` writes."""
        _, out = self.type("status", "--json")
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def pids(self) -> set[int]:
        """The processes that the command line finds."""
        return {each["pid"] for each in self.statuses() if "pid" in each}

    def ask(self) -> dict[str, Any]:
        """One answer, on a new connection."""
        client = Client(self.port)
        try:
            answer = client.get("/")
            assert answer.status == 200, self.log
            return answer.content
        finally:
            client.close()

    def until(self, what: str, so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + CAP
        while not so():
            assert time.monotonic() < deadline, f"{what}: not in {CAP} s\n{self.log}"
            time.sleep(0.02)  # between two looks, until the deadline

    def until_answered(self, **values: Any) -> dict[str, Any]:
        """Ask until the answer has these values; return it."""
        answer: dict[str, Any] = {}

        def answered() -> bool:
            nonlocal answer
            try:
                answer = self.ask()
            except (OSError, HTTPException) as error:
                raise AssertionError(f"lost: {error!r}\n{self.log}") from error
            return values.items() <= answer.items()

        self.until(f"an answer with {values}", answered)
        return answer

    def until_logged(self, words: str) -> None:
        """Wait until the server has written these words."""
        self.until(f"{words!r} in the log", lambda: words in self.log)

    def end(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.stop()


def lives(pid: int) -> bool:
    """Whether a process is there that has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
