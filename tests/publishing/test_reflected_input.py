"""The search of a page for text that the visitor has sent takes bounded time."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

import publishing_site
from publishing_site import Site
from transfuse.publishing import reflected_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transfuse.publishing import Request

site = publishing_site.site

HTML, TEXT, JSON = "text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"
PAGE = """
    def page(): return "<html>" + "a" * 1000 + "</html>"
    def long(): return "<html>" + "a" * 1_000_000 + "</html>"
    def streamed(): yield "<html>" + "a" * 1000
    def user(request): return f"<html>{request.user}</html>"
    def password(request):
        import base64
        sent = request.headers["authorization"].partition(" ")[2]
        return f"<html>{base64.b64decode(sent).decode().partition(':')[2]}</html>"
    def anybody(request, user, password): return True
    user.__auth__ = anybody
    """


@pytest.fixture
def page(site: Site) -> Site:
    site.publish({"index.py": PAGE})
    return site


def values(count: int) -> bytes:
    return json.dumps({"a": [f"<{number}" for number in range(count)]}).encode()


@pytest.mark.parametrize("deep", [
    {"a": ["<"] * 1000}, {"a": {str(number): 1 for number in range(1000)}},
    {"a": [[1] * 40 for _ in range(25)]}, {"a": [[]] * 500, "b": [{}] * 500},
], ids=range(4))  # fmt: skip
def test_json_has_a_thousand_values_at_all_depths_together(page: Site, deep: object) -> None:
    reply = page.post("/page", json.dumps(deep).encode(), JSON)
    assert reply.status == 400
    assert "the JSON has more than 1000 values" in reply.text


def test_json_of_a_thousand_values_is_taken(page: Site) -> None:
    assert page.post("/page", json.dumps({"a": [1] * 999}).encode(), JSON).status == 200


@pytest.mark.parametrize("name", ["page", "streamed"])
def test_who_has_sent_many_values_with_markup_gets_text(page: Site, name: str) -> None:
    # The body is one of the hundred.
    assert page.post(f"/{name}", values(99), JSON).kind == HTML
    assert page.post(f"/{name}", values(100), JSON).kind == TEXT
    query = urlencode([("a", f"<{number}") for number in range(101)])
    assert page.get(f"/{name}", query).kind == TEXT


def test_a_value_that_comes_often_is_one(page: Site) -> None:
    assert page.post("/page", json.dumps({"a": ["<q"] * 900}).encode(), JSON).kind == HTML


def test_where_many_values_meet_a_long_text_it_is_text(page: Site) -> None:
    assert page.post("/long", values(40), JSON).kind == HTML
    assert page.post("/long", values(60), JSON).kind == TEXT


def test_under_asgi_the_search_for_what_a_body_has_is_in_a_thread(
    page: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def noted(text: str, request: Request, fields: Mapping[str, object]) -> bool:
        names.append(threading.current_thread().name)
        return reflected_input.has_echo(text, request, fields)

    monkeypatch.setattr("transfuse.publishing.service.has_echo", noted)
    page.get("/page")
    page.post("/page", values(1), JSON)
    by_asgi = [name.partition("_")[0] == "asyncio" for name in names]
    assert by_asgi == [False, page.is_asked_by_asgi]


@pytest.mark.parametrize("name", ["user", "password"])
def test_user_and_password_were_sent_too(page: Site, name: str) -> None:
    script = "<script>alert(1)</script>"
    for pair, kind in ((f"{script}:{script}", TEXT), ("eric:spam", HTML)):
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        reply = page.get(f"/{name}", headers=headers)
        assert (200, kind) == (reply.status, reply.kind)
