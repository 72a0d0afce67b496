"""ASGI or WSGI: read from the source where possible, without importing it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("click")

from transfuse.cli.detect_interface import interface_of
from transfuse.cli.probe_interface import interface_of as imported_interface_of
from transfuse.errors import TargetError
from transfuse.process.target import Target

if TYPE_CHECKING:
    from pathlib import Path

ASGI_CLASS = "class App:\n async def __call__(self, scope, receive, send): ...\napp = App()"
WSGI_CLASS = "class App:\n def __call__(self, environ, start_response): ...\napp: App = App()"

# Each would raise if it were imported.
SOURCES = {
    "async function": ("async def app(scope, receive, send): ...", "asgi"),
    "function": ("def app(environ, start_response): ...", "wsgi"),
    "FastAPI": ("from fastapi import FastAPI\napp = FastAPI()", "asgi"),
    "Flask": ("import flask as f\napp = f.Flask(__name__)", "wsgi"),
    "renamed": ("from flask import Flask as F\napp: F = F(__name__)", "wsgi"),
    "Django, ASGI": ("import django.core.asgi\napp = django.core.asgi.get_asgi_application()",
                     "asgi"),
    "Django, WSGI": ("from django.core.wsgi import *\napp = get_wsgi_application()", "wsgi"),
    "Falcon": ("import falcon\napp = falcon.App()", "wsgi"),
    "Falcon, ASGI": ("import falcon.asgi\napp = falcon.asgi.App()", "asgi"),
    "ASGI class": (ASGI_CLASS, "asgi"),
    "WSGI class": (WSGI_CLASS, "wsgi"),
    "the last counts": ("async def app(scope, receive, send): ...\nfrom flask import Flask\n"
                        "app = Flask('x')", "wsgi"),
    "elsewhere": ("from .other import made as app", "asgi"),
    "by its other name": ("application = Flask()", "wsgi"),
}  # fmt: skip


def shop(tmp_path: Path, source: str) -> list[str]:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("", encoding="utf-8")
    text = f"1 / 0\n{source}\n"
    (tmp_path / "shop" / "web.py").write_text(text, encoding="utf-8")
    other = "1 / 0\nasync def made(scope, receive, send): ...\n"
    (tmp_path / "shop" / "other.py").write_text(other, encoding="utf-8")
    return [str(tmp_path)]


@pytest.mark.parametrize(("source", "expected"), SOURCES.values(), ids=SOURCES)
def test_what_the_source_says(tmp_path: Path, source: str, expected: str) -> None:
    assert interface_of(Target("shop.web"), shop(tmp_path, source)) == expected


def test_what_it_does_not_say_is_found_out_by_importing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = """
        def make():
            async def app(scope, receive, send): ...
            return app
        app = make()
        """
    roots = shop(tmp_path, "")
    (tmp_path / "shop" / "web.py").write_text(textwrap.dedent(source), encoding="utf-8")
    assert interface_of(Target("shop.web:app"), roots) == "asgi"
    assert capfd.readouterr().err == (
        "transfuse: shop.web:app was imported once to find out that it is ASGI;"
        " --interface asgi saves that\n"
    )


def test_a_module_that_fails_then_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TargetError) as caught:
        interface_of(Target("shop.web:app"), shop(tmp_path, "app = make()"))
    expected = "shop.web cannot be loaded: ZeroDivisionError: division by zero"
    assert str(caught.value) == expected
    assert str(tmp_path / "shop" / "web.py") in capfd.readouterr().err


async def _asgi_function(scope: Any, receive: Any, send: Any) -> None: ...


def _wsgi_function(environ: Any, start_response: Any) -> Any: ...


def _neither(*arguments: Any) -> Any: ...


class _AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class _WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        (_asgi_function, "asgi"),
        (_wsgi_function, "wsgi"),
        (_neither, None),
        (_AsgiObject(), "asgi"),
        (_WsgiObject(), "wsgi"),
        (_WsgiObject().__call__, "wsgi"),
    ],
)
def test_what_an_object_says(application: Any, expected: str | None) -> None:
    assert imported_interface_of(application) == expected
