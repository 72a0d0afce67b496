"""A body that is made to overload or crash the server gets a 400 of a few lines."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

import publishing_site
from publishing_site import Site
from transfuse.publishing.form_parsing import fields_of
from visitor import ask_asgi

if TYPE_CHECKING:
    from transfuse.publishing import Request

site = publishing_site.site

JSON, MULTIPART = "application/json", "multipart/form-data; boundary=XX"
PAGE = """
    import enum, functools
    from typing import Literal
    from transfuse.publishing import Upload
    class One(enum.Enum): ONE = 1
    def untyped(n): return repr(n)
    def every(**others): return repr(sorted(others))
    def ints(**others: int): return "in"
    def whole(n: int): return repr(n)
    def literal(n: Literal["a", 1]): return repr(n)
    def true(n: Literal[True]): return repr(n)
    def member(n: One): return repr(n)
    def several(n: set): return repr(sorted(n))
    def frozen(n: frozenset): return repr(sorted(n))
    def named(n: Upload): return f"{n.filename!r} {n.content_type!r}"
    def requested(request, **others): return repr(sorted(others))
    def wrapping(function):
        @functools.wraps(function)
        def wrapper(instance, *args, secret=None, **others):
            return f"{secret} {function(instance, *args, **others)}"
        return wrapper
    class Shelf:
        @wrapping
        def show(self, **others): return repr(sorted(others))
    shelf = Shelf()
    """


@pytest.fixture
def page(site: Site) -> Site:
    site.publish({"index.py": PAGE})
    return site


REFUSED = {
    "half of a surrogate pair": ("untyped", b'{"n": "\\ud800"}'),
    "half of one deep in it": ("untyped", b'{"n": [{"a": "\\uDFFF"}]}'),
    "half of one as a name": ("every", b'{"\\ud800": 1}'),
    "half of one, not escaped": ("untyped", b'{"n": "\xed\xa0\x80"}'),
    "half of one where a number is wanted": ("ints", b'{"\\ud800": "x"}'),
    "another alphabet": ("untyped", '{"n": 1}'.encode("utf-16")),
    "an infinite number": ("untyped", b'{"n": 1e999}'),
    "a name twice": ("untyped", b'{"n": 1, "n": 2}'),
    "a name twice, deep in it": ("untyped", b'{"n": {"a": 1, "a": 2}}'),
    "true for 1": ("literal", b'{"n": true}'),
    "true for a member that is 1": ("member", b'{"n": true}'),
    "1 for true": ("true", b'{"n": 1}'),
    "a set of lists": ("several", b'{"n": [[1]]}'),
    "a set of objects": ("frozen", b'{"n": [{}]}'),
    "many members": ("every", json.dumps(dict.fromkeys(map(str, range(1001)))).encode()),
}


@pytest.mark.parametrize("what", REFUSED)
def test_json_that_would_be_an_error_later_is_a_400(page: Site, what: str) -> None:
    name, body = REFUSED[what]
    assert page.post(f"/{name}", body, JSON).status == 400


def test_json_that_only_looks_like_it_is_taken(page: Site) -> None:
    assert page.post("/untyped", b'{"n": "\\ud83d\\ude00"}', JSON).text == repr("\U0001f600")
    assert page.post("/untyped", b'\xef\xbb\xbf{"n": 1}', JSON).text == "1"
    assert page.post("/true", b'{"n": true}', JSON).text == "True"
    assert page.post("/literal", b'{"n": 1}', JSON).text == "1"
    assert page.post("/every", json.dumps({str(n): n for n in range(1000)}).encode(), JSON)


def test_what_is_nested_deeply_is_told_in_a_line(page: Site) -> None:
    for depth in (10, 300, 600, 900):
        body = b'{"n":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
        reply = page.post("/whole", body, JSON)
        assert (400, True) == (reply.status, len(reply.body) < 500)


def test_a_visitor_is_told_twenty_lines_and_how_many_there_are_more(page: Site) -> None:
    body = json.dumps({f"{n}{'x' * 5000}": "y" * 5000 for n in range(1000)}).encode()
    reply = page.post("/ints", body, JSON)
    assert (400, True) == (reply.status, len(reply.body) < 6000)
    assert "<p>and 980 more</p>" in reply.text
    assert reply.text.count("is not a whole number") == 20


def part(head: str, data: str = "1") -> bytes:
    disposition = f'Content-Disposition: form-data; name="n"; {head}'
    return f"--XX\r\n{disposition}\r\n\r\n{data}\r\n--XX--".encode()


@pytest.mark.parametrize(
    "head",
    ['x="' + ";" * 4000, "filename*=utf-16''%2f", "filename*=unicode_escape''%5cud800",
     "filename*=idna''xn--a", "filename*0=a; filename*0=b", "filename=a\r\nX: " + "y" * 8192],
    ids=range(6),
)  # fmt: skip
def test_a_part_with_a_head_that_is_none_is_a_400(page: Site, head: str) -> None:
    assert page.post("/untyped", part(head), MULTIPART).status == 400


@pytest.mark.parametrize(
    "kind",
    [f"{MULTIPART}; x={'y' * 1000}", 'multipart/form-data; boundary="' + ";" * 900,
     "multipart/form-data; boundary*0=a; boundary*" + "9" * 900 + "=x",
     "multipart/form-data; boundary*=utf-16''XX", f"{JSON};{';' * 1024}"],
    ids=range(5),
)  # fmt: skip
def test_a_content_type_that_is_long_or_none_is_a_400(page: Site, kind: str) -> None:
    assert page.post("/untyped", part("filename=a"), kind).status == 400


NAMES = {
    'filename="."': "''",
    'filename=".."': "''",
    'filename="a/.."': "''",
    "filename*=utf-8''..%2f..%2fetc%2fpasswd": "'passwd'",
    "filename*=utf-8''a%0Ab%C2%85": "'ab'",
    'filename="a\\"b.txt"': "'a\"b.txt'",
}


@pytest.mark.parametrize("head", NAMES)
def test_the_name_of_a_file_is_a_name(page: Site, head: str) -> None:
    reply = page.post("/named", part(head), MULTIPART)
    assert f"{NAMES[head]} 'application/octet-stream'" == reply.text


def test_the_kind_of_a_file_has_no_controls(page: Site) -> None:
    reply = page.post("/named", part("filename=a\r\nContent-Type: text/\0\x1bhtml"), MULTIPART)
    assert reply.text == "'a' 'text/html'"


def test_a_visitor_gives_no_name_of_the_request_nor_of_what_wraps_a_function(page: Site) -> None:
    assert page.get("/requested", "request=forged&a=1").text == "['a']"
    assert page.get("/every", "request=forged&a=1").text == "['a']"
    query = "instance=forged&self=forged&secret=forged&a=1"
    assert page.get("/shelf/show", query).text == "None ['a']"


def test_under_asgi_a_body_is_taken_apart_in_a_thread(
    page: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def noted(request: Request) -> dict[str, Any]:
        names.append(threading.current_thread().name)
        return fields_of(request)

    monkeypatch.setattr("transfuse.publishing.service.fields_of", noted)
    headers = {"Content-Type": JSON}
    ask_asgi(page.application, "/untyped", method="POST", body=b'{"n": 1}', headers=headers)
    assert [name.partition("_")[0] for name in names] == ["asyncio"]


def test_under_asgi_a_length_that_is_too_long_is_refused_before_anything_is_read(
    page: Site,
) -> None:
    for length, status in ((b"10485761", 413), (b"9" * 5000, 413), (b"x", 400)):
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            raise AssertionError("read")

        async def send(message: dict[str, Any], sent: list[dict[str, Any]] = sent) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/untyped",
                 "headers": [(b"content-length", length)]}  # fmt: skip
        asyncio.run(page.application(scope, receive, send))
        assert sent[0]["status"] == status


def test_under_wsgi_a_header_that_a_server_calls_otherwise_is_none(page: Site) -> None:
    said: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/every", "CONTENT_LENGTH": "7",
        "HTTP_CONTENT_TYPE": JSON, "wsgi.input": io.BytesIO(b'{"a":1}'),
    }  # fmt: skip
    body = page.application(environ, lambda status, _: said.append(status))
    assert (["200 OK"], b"[]") == (said, b"".join(body))
