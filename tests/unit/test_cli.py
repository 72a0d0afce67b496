"""Transcripts of the command line: what a person types, and the output."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CAP = 60.0


class Terminal:
    """A folder in which commands are typed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.environ = {key: value for key, value in os.environ.items() if "TRANSFUSE" not in key}
        self.environ["XDG_RUNTIME_DIR"] = str(place.parent)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "transfuse", *words]

    def type(self, *words: str, **environ: str) -> tuple[int, str, str]:
        """Run a command to its end: its code, what it wrote to stdout and to stderr."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.place,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=CAP,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    pytest.importorskip("click")
    place = tmp_path / "app"
    place.mkdir()
    # Without one, each command says that the working directory is live.
    (place / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    return Terminal(place)


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    terminal.write(
        {
            "shop/__init__.py": "",
            "shop/web.py": "def app(environ, start_response): ...\nnumber = 3\n",
        }
    )
    return terminal


def test_a_module_that_does_not_exist(shop: Terminal) -> None:
    line = "target 'shop.wbe:app': there is no module 'shop.wbe'; did you mean 'shop.web'?"
    assert shop.type("serve", "shop.wbe:app") == (2, "", f"transfuse: {line}\n")


def test_an_attribute_that_does_not_exist(shop: Terminal) -> None:
    line = "target 'shop.web:ap': module 'shop.web' has no 'ap'; did you mean 'app'?"
    assert shop.type("serve", "shop.web:ap") == (2, "", f"transfuse: {line}\n")


def test_an_attribute_that_is_not_callable(shop: Terminal) -> None:
    pytest.importorskip("granian")
    line = "target 'shop.web:number' is not callable: it is of type int"
    found = shop.type("serve", "shop.web:number", "--interface", "wsgi", "--port", free_port())
    assert found == (2, "", f"transfuse: {line}\n")


def test_a_root_that_is_not_there(shop: Terminal) -> None:
    line = f"root {shop.place / 'src'} does not exist; name an existing directory"
    found = shop.type("serve", "shop.web:app", "--root", "src")
    assert found == (2, "", f"transfuse: {line}\n")


def test_threads_of_an_asgi_application_are_refused_with_what_is_right(shop: Terminal) -> None:
    line = (
        "shop.web:app is an ASGI application, which runs in one event loop a worker: --threads is"
        " for WSGI; say --workers, or --interface wsgi if it is one"
    )
    shop.write({"shop/web.py": "async def app(scope, receive, send): pass"})
    found = shop.type("serve", "shop.web:app", "--threads", "4", "--port", free_port())
    assert found == (2, "", f"transfuse: {line}\n")


def test_an_interface_that_the_application_does_not_have_is_refused(shop: Terminal) -> None:
    line = (
        "shop.web:app is a WSGI application, as its source says: --interface asgi would fail at"
        " each request; say --interface wsgi, or nothing"
    )
    found = shop.type("serve", "shop.web:app", "--interface", "asgi", "--port", free_port())
    assert found == (2, "", f"transfuse: {line}\n")


def test_dots_for_the_colon(shop: Terminal) -> None:
    line = "target 'shop.web.app': there is no module 'shop.web.app'; did you mean 'shop.web:app'?"
    assert shop.type("serve", "shop.web.app") == (2, "", f"transfuse: {line}\n")


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("127.0.0.1:8000", "--host 127.0.0.1 --port 8000"),
        ("[::1]:8000", "--host ::1 --port 8000"),
        (":8000", "--port 8000"),
    ],
)
def test_a_host_with_its_port(shop: Terminal, host: str, right: str) -> None:
    line = f"--host {host} has the port in it; say {right}"
    assert shop.type("serve", "shop.web:app", "--host", host) == (2, "", f"transfuse: {line}\n")


@pytest.mark.parametrize("interface", ["auto", "wsgi", "asgi"])
def test_a_factory_is_refused_with_what_to_write(shop: Terminal, interface: str) -> None:
    pytest.importorskip("granian")
    shop.write({"shop/fac.py": "def create_app(): ...\n"})
    line = (
        "shop.fac:create_app takes no request, so it looks like a factory: write"
        " app = create_app() in its module, and name shop.fac:app"
    )
    words = ("serve", "shop.fac:create_app", "--interface", interface, "--port", free_port())
    assert shop.type(*words) == (2, "", f"transfuse: {line}\n")


def test_an_application_under_no_root_is_refused(shop: Terminal) -> None:
    """The working directory is on `sys.path`, so it would be found, and never updated."""
    (shop.place / "site").mkdir()
    line = (
        f"shop.web is at {shop.place / 'shop' / 'web.py'}, which is under no root, so its edits"
        " would not be seen; say --root ."
    )
    found = shop.type("serve", "shop.web:app", "--root", "site", "--port", free_port())
    assert found == (2, "", f"transfuse: {line}\n")


def test_an_installed_application_is_refused(shop: Terminal) -> None:
    shop.write({"env/site-packages/apart.py": "def app(environ, start_response): ...\n"})
    folder = shop.place / "env" / "site-packages"
    line = (
        f"apart is at {folder / 'apart.py'}, which is under no root, so its edits would not be"
        " seen; it is installed: import it in a module under a root, and name that"
    )
    found = shop.type(
        "serve", "apart:app", "--root", ".", "--port", free_port(), PYTHONPATH=str(folder)
    )
    assert found == (2, "", f"transfuse: {line}\n")


def test_drain_is_told_to_do_nothing_for_wsgi(shop: Terminal) -> None:
    pytest.importorskip("granian")
    shop.write({"shop/web.py": "1 / 0\ndef app(environ, start_response): ...\n"})
    line = "the setting drain is for ASGI: a WSGI response lasts until it ends"
    _, _, err = shop.type("serve", "shop.web:app", "--port", free_port(), TRANSFUSE_DRAIN="30")
    assert err.startswith(f"transfuse: {line}\n")


def test_reload_is_what_it_does_anyway(shop: Terminal) -> None:
    line = "edits are served without --reload, and nothing restarts: leave it out"
    assert shop.type("serve", "shop.web:app", "--reload") == (2, "", f"transfuse: {line}\n")


def test_a_port_that_is_taken(shop: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = shop.type("serve", "shop.web:app", "--port", str(port))
    line = f"cannot listen at 127.0.0.1, port {port}: Address already in use; say --port or --host"
    assert found == (2, "", f"transfuse: {line}\n")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is new in Python 3.11")
def test_settings_with_an_unknown_key(shop: Terminal) -> None:
    shop.write({"pyproject.toml": "[tool.transfuse]\nwatsh = true\n"})
    file = shop.place / "pyproject.toml"
    line = f"{file}, [tool.transfuse]: unknown key 'watsh'; did you mean 'watch'?"
    assert shop.type("serve", "shop.web:app") == (2, "", f"transfuse: {line}\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_application_that_raises_shows_its_own_frames_once(
    terminal: Terminal, workers: str
) -> None:
    pytest.importorskip("granian")
    terminal.write({"web.py": "import nothing_of_this_name\n"})
    port = free_port()
    code, out, err = terminal.type(
        "serve", "web:app", "--interface", "wsgi", "--port", port, "--workers", workers
    )
    assert (code, out) == (2, "")
    assert err == (
        "Traceback (most recent call last):\n"
        f'  File "{terminal.place / "web.py"}", line 1, in <module>\n'
        "    import nothing_of_this_name\n"
        "ModuleNotFoundError: No module named 'nothing_of_this_name'\n"
        "transfuse: web cannot be loaded:"
        " ModuleNotFoundError: No module named 'nothing_of_this_name'\n"
    )


def test_nobody_to_ask(terminal: Terminal) -> None:
    line = (
        "no process of yours is served by Transfuse;"
        " start one by 'transfuse serve' or 'transfuse run'"
    )
    assert terminal.type("status") == (2, "", f"transfuse: {line}\n")


def test_without_click_a_line_says_what_to_install(terminal: Terminal) -> None:
    terminal.write({"click.py": "raise ModuleNotFoundError(name='click')"})
    code, out, err = terminal.type("status", PYTHONPATH=str(terminal.place))
    line = "the command line needs click and Granian; install Transfuse with its extra 'serve'"
    assert (code, out, err) == (2, "", f"transfuse: {line}\n")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["serve"],
        ["run"],
        ["ps"],
        ["status"],
        ["plan"],
        ["update"],
        ["rollback"],
        ["leaks"],
        ["completion"],
    ],
)
def test_help_fits_on_a_screen_and_has_an_example(terminal: Terminal, words: list[str]) -> None:
    code, out, err = terminal.type(*words, "--help")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) <= 24
    assert max(len(line) for line in out.splitlines()) <= 80
    assert re.search(r"^  Examples?:\s+transfuse ", out, re.MULTILINE)


PROGRAM = """
    import sys
    print(__name__, sys.argv[1:], sys.path[0])
    if "exit" in sys.argv: sys.exit(5)
    if "raise" in sys.argv: 1 / 0
    """


def test_run_a_module(terminal: Terminal) -> None:
    terminal.write({"shop/__init__.py": "", "shop/worker.py": PROGRAM})
    found = terminal.type("run", "-m", "shop.worker", "-v", "--root", "x", "--help")
    expected = f"__main__ ['-v', '--root', 'x', '--help'] {terminal.place}\n"
    assert found == (0, expected, "")


def test_run_a_script(terminal: Terminal) -> None:
    terminal.write({"bin/worker.py": PROGRAM})
    found = terminal.type("run", "--no-watch", "bin/worker.py", "-m", "exit")
    assert found == (5, f"__main__ ['-m', 'exit'] {terminal.place / 'bin'}\n", "")


def test_run_shows_the_users_frames_only(terminal: Terminal) -> None:
    terminal.write({"worker.py": PROGRAM})
    code, _, err = terminal.type("run", "worker.py", "raise")
    files = [line.split('"')[1] for line in err.splitlines() if line.startswith("  File ")]
    assert (code, files) == (1, ["worker.py"])
    assert err.endswith("ZeroDivisionError: division by zero\n")


def test_run_without_anything_to_run(terminal: Terminal) -> None:
    assert terminal.type("run", "nothing.py") == (
        2,
        "",
        "transfuse: there is no file nothing.py; for a module, say -m\n",
    )
    code, _, err = terminal.type("run")
    assert code == 2
    assert "Error: say what to run: -m MODULE, or a SCRIPT" in err


def test_run_is_interrupted_as_python_is(terminal: Terminal) -> None:
    # In the background of a shell SIGINT is ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Python 3.15 begins a sleep though a signal came just before it, and looks at that after it.
    worker = "import time\nprint('go', flush=True)\nfor _ in range(600): time.sleep(0.1)\n"
    terminal.write({"worker.py": worker})
    with subprocess.Popen(
        terminal.command("run", "worker.py"),
        cwd=terminal.place,
        env=terminal.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=CAP)
    assert process.returncode == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt\n")


def test_a_running_program_is_asked_and_updated(terminal: Terminal) -> None:
    terminal.write(
        {
            "worker.py": "import prices\nprint(prices.PRICE, flush=True)\ninput()\n",
            "prices.py": "PRICE = 1\n",
        }
    )
    with subprocess.Popen(
        terminal.command("run", "--no-watch", "worker.py"),
        cwd=terminal.place,
        env=terminal.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        title = f"process {process.pid}: run worker.py"

        code, out, _ = terminal.type("status")
        assert (code, out.splitlines()[:2]) == (0, [title, "  generation   1"])

        terminal.write({"prices.py": "PRICE = 2\n"})
        plan = f"{title}\n  changed  prices.py\n  run      prices  (changed)\n"
        assert terminal.type("plan") == (0, plan, "")

        code, out, _ = terminal.type("update", "--pid", str(process.pid))
        assert code == 0
        assert out.startswith(f"{title}: updated in ")
        assert out.endswith(" ms: prices.py changed; ran prices; serving generation 2\n")

        code, out, _ = terminal.type("leaks")
        assert (code, out.splitlines()[0]) == (0, title)
        assert re.match(r"  (no former module is|former modules) in memory", out.splitlines()[1])

        terminal.write({"prices.py": "PRICE = = 2\n"})
        code, out, _ = terminal.type("update")
        assert code == 1
        assert f"{title}: refused: prices.py, line 1: SyntaxError: invalid syntax" in out

        code, out, _ = terminal.type("rollback", "--to", "99")
        assert (code, out) == (2, "")
        process.communicate("\n", timeout=CAP)
    assert process.returncode == 0


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def test_run_leaves_nothing_of_the_command_line_to_the_program(terminal: Terminal) -> None:
    # From elsewhere, so that the command line itself finds its own click.
    root = terminal.place / "elsewhere"
    root.mkdir()
    (root / "click.py").write_text("MINE = True\n")
    (root / "prog.py").write_text(
        "import sys\n"
        "ours = {'click', 'rich', 'granian'} & {name.partition('.')[0] for name in sys.modules}\n"
        "import click\n"
        "print(sorted(ours), click.MINE, type(sys.modules['click']).__name__)\n"
    )
    code, out, err = terminal.type("run", "elsewhere/prog.py")
    assert (code, out) == (0, "[] True Facade\n"), err
