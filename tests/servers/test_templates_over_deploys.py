"""A request that is held open over a deploy of code and template, on real servers."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING

import pytest

from servers.kinds import KINDS
from servers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.kinds import Kind

pytestmark = pytest.mark.servers

CAP = 20.0
NAMES = ("uvicorn", "Granian, ASGI", "gunicorn, threads", "waitress")
SERVERS = [kind for kind in KINDS if kind.name in NAMES]
OK = 200

# A macro of the page needs the word that this code passes under a name of its own. `/held` has
# begun, and renders, when the files say so.
ASGI = """
import asyncio
from pathlib import Path
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.templating import Jinja2Templates

HERE = Path(__file__).parent
pages = Jinja2Templates(HERE / "templates")

async def page(request):
    return pages.TemplateResponse(request, "page.html", {{"{0}": "tea"}})

async def held(request):
    (HERE.parent / "begun").touch()
    while not (HERE.parent / "go").exists():
        await asyncio.sleep(0.01)
    return await page(request)

async def ready(request):
    return JSONResponse({{}})

asgi = Starlette(routes=[Route("/", page), Route("/held", held), Route("/ready", ready)])
"""
WSGI = """
import time
from pathlib import Path
import flask

HERE = Path(__file__).parent
wsgi = flask.Flask(__name__)

@wsgi.get("/")
def page():
    return flask.render_template("page.html", {0}="tea")

@wsgi.get("/ready")
def ready():
    return {{}}

@wsgi.get("/held")
def held():
    (HERE.parent / "begun").touch()
    while not (HERE.parent / "go").exists():
        time.sleep(0.01)
    return page()
"""
PAGE = "{0} {{{{ {0}.upper() }}}}"


class Site:
    """An application whose page fails with the code of another edit."""

    def __init__(self, kind: Kind, place: Path) -> None:
        self.place = place
        self._code = WSGI if kind.line.endswith("wsgi") else ASGI
        (place / "site" / "templates").mkdir(parents=True)
        name = "wsgi" if self._code is WSGI else "asgi"
        serve = f'import transfuse\n{name} = transfuse.{name}("web:{name}")\n'
        (place / "serve.py").write_text(serve)
        (place / "pyproject.toml").write_text('[tool.transfuse]\nroots = ["site"]\n')
        self.deploy("one")
        self.port = free_port()
        self.server = Server(kind.command(self.port, place), place, self.port, "/ready")

    def deploy(self, word: str) -> None:
        for name, text in (("web.py", self._code), ("templates/page.html", PAGE)):
            beside = self.place / "site" / f"{name}.new"
            beside.write_text(text.format(word))
            beside.replace(self.place / "site" / name)

    def get(self, path: str) -> tuple[int, str]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        line.request("GET", path, headers={"Connection": "close"})
        answer = line.getresponse()
        return answer.status, answer.read().decode()

    def serves(self, page: str) -> None:
        found = None
        for _ in range(2000):
            found = self.get("/")
            if found == (OK, page):
                return
        raise AssertionError(f"{found!r}, not {page!r}:\n{self.server.log}")


@pytest.fixture(params=SERVERS, ids=[kind.name for kind in SERVERS])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(request.param, tmp_path)
    try:
        site.server.wait_until_ready()
        yield site
    finally:
        site.server.stop()


@pytest.mark.parametrize("rendered", [True, False])
def test_p2_it_renders_the_template_that_it_began_with(site: Site, rendered: bool) -> None:
    if rendered:
        site.serves("one TEA")
    got: list[tuple[int, str]] = []
    request = threading.Thread(target=lambda: got.append(site.get("/held")))
    request.start()
    for _ in range(2000):
        if (site.place / "begun").exists():
            break
        request.join(0.01)
    site.deploy("two")
    site.serves("two TEA")
    (site.place / "go").touch()
    request.join(CAP)
    assert got == [(OK, "one TEA")], site.server.log
    site.serves("two TEA")
