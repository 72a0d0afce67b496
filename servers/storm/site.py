"""The application that the storm serves, and what an answer of it shows.

`middle` imports `leaf` and shows which `leaf` it was built on; `left` and `right` belong together;
`late` is imported inside a request; `conf` is never run again in a running process. `page` is a
text that each request reads. A request looks twice, with a pause in between. `smoke` has the check,
which refuses what a module says is bad.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servers.lifespan import LIFESPAN
from servers.storm.model import CONF, FILES, LEFT, MIDDLE, PAGE, RIGHT, Text

if TYPE_CHECKING:
    from pathlib import Path

    from servers.storm.model import State

_BODY = {
    "": "",
    "raises": "raise ValueError('broken')\n",
    "syntax": "def broken(:\n",
    "check": "IS_BAD = True\n",
}
_HEADS = {MIDDLE: "import leaf\nBUILT_ON = leaf.NUMBER\n", CONF: "__reload__ = 'never'\n"}

_SHOWN = """
import asyncio, json, os, time
import transfuse
import conf, leaf, left, middle, right

PAGE = os.path.join(os.path.dirname(__file__), "page.txt")

def shown():
    import late
    modules = (conf, late, leaf, left, middle, right)
    numbers = {module.__name__: module.NUMBER for module in modules}
    return {**numbers, "built_on": middle.BUILT_ON, "page": int(transfuse.read_text(PAGE))}

def answer(first):
    return json.dumps({"pid": os.getpid(), "first": first, "last": shown()}).encode()

PAUSES = {"/": 0.005, "/slow": 3.0}
"""
_SMOKE = """
import conf, leaf, left, middle, right

def check():
    import late
    for module in (conf, late, leaf, left, middle, right):
        assert not getattr(module, "IS_BAD", False), module.__name__
"""
_WSGI = """
def app(environ, start_response):
    first = shown()
    time.sleep(PAUSES[environ["PATH_INFO"]])
    body = answer(first)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
_ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    first = shown()
    await asyncio.sleep(PAUSES[scope["path"]])
    body = answer(first)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


def source(name: str, text: Text) -> str:
    """Return the content of a file with this text."""
    if name == PAGE:
        return f"{text.number}\n"
    head = _HEADS.get(name, "")
    return f"{head}NUMBER = {text.number}\n{_BODY[text.broken]}"


def first_state() -> State:
    """Return the texts that the storm begins with."""
    return {name: Text(1) for name in FILES}


def make(folder: Path, interface: str, state: State) -> None:
    """Write the application, and the settings.

    Args:
        folder: of the project.
        interface: ``"asgi"`` or ``"wsgi"``.
        state: the texts of the modules.
    """
    (folder / "site").mkdir()
    settings = '[tool.transfuse]\nroots = ["site"]\ncheck = "smoke:check"\n'
    (folder / "pyproject.toml").write_text(settings)
    (folder / "site" / "smoke.py").write_text(_SMOKE)
    application = _SHOWN + (LIFESPAN + _ASGI if interface == "asgi" else _WSGI)
    (folder / "site" / "web.py").write_text(application)
    for name, text in state.items():
        path_of(folder, name).write_text(source(name, text))


def path_of(folder: Path, name: str) -> Path:
    """Return the file of this name."""
    return folder / "site" / (f"{name}.txt" if name == PAGE else f"{name}.py")


@dataclass(frozen=True)
class Shown:
    """What an answer shows.

    Attributes:
        pid: the process that answered.
        numbers: module -> the number that it has shown, in order of the names.
        mixed: why not all of it is of one state; empty if it is.
    """

    pid: int
    numbers: tuple[tuple[str, int], ...]
    mixed: str

    @classmethod
    def of(cls, body: str) -> Shown:
        """Read an answer."""
        said: dict[str, Any] = json.loads(body)
        first, last = said["first"], said["last"]
        mixed = ""
        if first != last:
            mixed = f"began with {first}, ended with {last}"
        elif last["built_on"] != last["leaf"]:
            mixed = f"middle was built on another leaf: {last}"
        elif last[LEFT] != last[RIGHT]:
            mixed = f"left and right were saved together: {last}"
        return cls(said["pid"], numbers({name: Text(last[name]) for name in FILES}), mixed)


def numbers(state: State) -> tuple[tuple[str, int], ...]:
    """Return what an answer shows in this state."""
    return tuple(sorted((name, text.number) for name, text in state.items()))
