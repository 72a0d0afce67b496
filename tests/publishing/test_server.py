"""A folder of pages over a real server, that takes an edit, a new function and a deletion."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import pytest

from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION = """
    import os, transfuse
    folder = os.path.join(os.path.dirname(__file__), "site")
    application = transfuse.publisher(folder, body_limit=200_000)
    """
PAGE = """
    import asyncio, sys, threading
    def show(sku: int): return f"{sku} costs 1"
    async def slow():
        await asyncio.sleep(0)
        return "slow"
    def stream():
        yield "a"
        yield "b"
    def upload(file, name): return f"{name} {file.filename} {len(file.data)}"
    def old(): return "old"
    def exits(): sys.exit(3)
    async def exits_async(): sys.exit(3)
    def exits_late():
        yield "a"
        sys.exit(3)
    gone = threading.Event()
    def endless():
        try:
            while True: yield "x" * 10_000
        finally: gone.set()
    async def endless_async():
        try:
            while True:
                yield "x" * 10_000
                await asyncio.sleep(0)
        finally: gone.set()
    def has_gone():
        said = gone.wait(20)
        gone.clear()
        return str(said)
    """


class Server:
    """`transfuse serve` in a process of its own, and what it has said."""

    def __init__(self, place: Path, interface: str, roots: tuple[str, ...] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        given = (str(place),) if roots is None else roots
        named = [word for root in given for word in ("--root", root)]
        kept = {key: value for key, value in os.environ.items() if "TRANSFUSE" not in key}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "transfuse", "serve", "web:application", *named,
             "--port", str(self.port), "--interface", interface],
            cwd=place,
            env=kept | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "XDG_RUNTIME_DIR": str(place)},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    def wait(self, beginning: str, *, after: int = 0) -> None:
        """Wait until it says a line, the `after`-th of its kind."""

        def said() -> bool:
            begun = [line for line in self.lines if line.startswith(f"transfuse: {beginning}")]
            return len(begun) > after

        with self._news:
            assert self._news.wait_for(said, CAP), f"it said instead: {self.lines}"

    def wait_until_it_listens(self) -> None:
        """Wait until it takes connections: it says that it serves a moment before."""
        self.wait("serving ")
        ends = time.monotonic() + CAP
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=CAP).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < ends, (
                    f"the server does not listen after {CAP} s: {self.lines}"
                )
                time.sleep(0.01)

    def ask(self, path: str, method: str = "GET", body: bytes = b"", kind: str = "") -> str:
        """The status and the body, in a line."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        headers = {"Content-Type": kind} if kind else {}
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return f"{response.status} {text}" if response.status == 200 else str(response.status)

    def head(self, path: str, method: str) -> tuple[int, str | None, bytes]:
        """The status, what is allowed or how long it would be, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            told = response.getheader("Allow") or response.getheader("Content-Length")
            return response.status, told, response.read()
        finally:
            connection.close()

    def connect(self, sent: bytes) -> socket.socket:
        """A connection on which something was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=CAP)
        connection.sendall(sent)
        return connection

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(CAP)
        self._reader.join(CAP)
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture(params=["auto", "wsgi"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    site = tmp_path / "site" / "shop"
    site.mkdir(parents=True)
    (tmp_path / "web.py").write_text(textwrap.dedent(APPLICATION), encoding="utf-8")
    (site / "prices.py").write_text(textwrap.dedent(PAGE), encoding="utf-8")
    (tmp_path / "secret.py").write_text("def show(): return 'secret'", encoding="utf-8")
    server = Server(tmp_path, request.param)
    try:
        server.wait_until_it_listens()
        yield server
    finally:
        server.stop()


def test_a_server_takes_an_edit_a_new_function_and_a_deletion(
    server: Server, tmp_path: Path
) -> None:
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    form = "--X\r\n" + part.format("file", '; filename="a.txt"', "x" * 100_000)
    form += "--X\r\n" + part.format("name", "", "n") + "--X--\r\n"
    assert server.ask("/shop/prices/show?sku=7") == "200 7 costs 1"
    assert server.ask("/shop/prices/slow") == "200 slow"
    assert server.ask("/shop/prices/stream") == "200 ab"
    assert server.ask("/shop/prices/old") == "200 old"
    assert (
        server.ask("/shop/prices/upload", "POST", form.encode(), "multipart/form-data; boundary=X")
        == "200 n a.txt 100000"
    )
    assert server.ask("/shop/prices/show?sku=x") == "400"
    assert server.ask("/shop/prices/show", "DELETE") == "405"
    assert server.ask("/shop/prices/new") == "404"
    attempts = ("/../secret/show", "/%2e%2e/secret/show", "/shop/%2e%2e%2f%2e%2e%2fsecret/show",
                "/shop//prices/show?sku=1", "/shop/prices/asyncio/run", "/shop/prices%00/show",
                "/%252e%252e/secret/show", "/shop/prices/show/__code__")  # fmt: skip
    assert {"404"} == {server.ask(path) for path in attempts}

    edited = textwrap.dedent(PAGE).replace("costs 1", "costs 2").replace("def old", "def new")
    (tmp_path / "site" / "shop" / "prices.py").write_text(edited, encoding="utf-8")
    server.wait("updated in ")

    assert server.ask("/shop/prices/show?sku=7") == "200 7 costs 2"
    assert server.ask("/shop/prices/new") == "200 old"
    assert server.ask("/shop/prices/old") == "404"


def test_a_server_answers_head_and_options(server: Server) -> None:
    path = "/shop/prices/show?sku=7"
    assert server.head(path, "HEAD") == (200, "9", b"")
    assert server.head("/shop/prices/nothing", "HEAD")[::2] == (404, b"")
    status, allowed, body = server.head(path, "OPTIONS")
    assert (204, "GET, HEAD, OPTIONS, POST", b"") == (status, allowed, body)


def test_a_server_refuses_a_chunked_body_that_is_too_long(server: Server) -> None:
    head = b"POST /shop/prices/show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    with server.connect(head + chunk * 25 + b"0\r\n\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 413"
    assert server.ask("/shop/prices/show?sku=7") == "200 7 costs 1"


@pytest.mark.parametrize("name", ["endless", "endless_async"])
def test_a_stream_ends_with_whoever_leaves(server: Server, name: str) -> None:
    request = f"GET /shop/prices/{name} HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect(request.encode()) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert server.ask("/shop/prices/has_gone") == "200 True"


def test_a_page_that_exits_does_not_end_the_server(server: Server) -> None:
    paths = ("/shop/prices/exits", "/shop/prices/exits_async")
    assert ["500"] * 4 == [server.ask(path) for path in paths * 2]
    request = b"GET /shop/prices/exits_late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with server.connect(request) as connection:
        while connection.recv(65536):
            pass
    assert server.ask("/shop/prices/show?sku=7") == "200 7 costs 1"


BESIDE = {
    "web.py": "import transfuse\napplication = transfuse.publisher('site')\n",
    "site/index.py": "import helper\ndef index(): return helper.said()\n",
    "site/helper.py": "def said(): return 'helped'\n",
}
SETTINGS = '[tool.transfuse]\nroots = [".", "site"]\n'


@pytest.mark.parametrize(
    ("roots", "settings", "said"),
    [((), "", "500"), ((".", "site"), "", "200 helped"), ((), SETTINGS, "200 helped")],
    ids=["as it is", "by the command line", "by the settings"],
)
def test_pages_import_what_lies_beside_them_where_their_folder_is_a_root(
    tmp_path: Path, roots: tuple[str, ...], settings: str, said: str
) -> None:
    (tmp_path / "site").mkdir()
    for name, source in {**BESIDE, "pyproject.toml": settings}.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    server = Server(tmp_path, "auto", roots)
    try:
        server.wait_until_it_listens()
        assert server.ask("/") == said
    finally:
        server.stop()


def test_a_served_file_installs_no_other_roots(tmp_path: Path) -> None:
    install = "import transfuse\ntransfuse.install(roots=['.', 'site'])\n"
    (tmp_path / "site").mkdir()
    (tmp_path / "web.py").write_text(install + BESIDE["web.py"], encoding="utf-8")
    server = Server(tmp_path, "auto", ())
    try:
        server.wait("Transfuse is installed already with other settings: roots")
    finally:
        server.stop()
