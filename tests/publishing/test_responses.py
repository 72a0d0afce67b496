"""The type of a function's result decides the kind of response."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

import publishing_site
from publishing_site import Site
from transfuse.publishing import Response, responses
from transfuse.publishing.templates import render

site = publishing_site.site

TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
BYTES, JSON = "application/octet-stream", "application/json"

PAGE = """
    import asyncio, datetime, decimal, enum, io, uuid
    from dataclasses import dataclass
    from transfuse.publishing import Response

    @dataclass
    class Price:
        sku: int
        tags: set
    class Color(enum.Enum):
        RED = "red"

    def text(): return "é"
    def html(): return "<!DOCTYPE html>\\n<p>é</p></HTML>\\n"
    def greeting(name): return "Hello " + name
    def data(): return b"\\0\\xff"
    def array(): return bytearray(b"a")
    def mapping(): return {"a": [1, None, "é"], "b": Price(7, {1}), "c": Color.RED,
                           "d": datetime.date(2004, 10, 31), "e": decimal.Decimal("1.10")}
    def record(): return Price(7, {1})
    def keys(): return {datetime.date(2004, 10, 31): 1, decimal.Decimal("1.10"): 2,
                        Color.RED: 3, uuid.UUID(int=1): 4, datetime.time(12): 5}
    def number(): return 7
    def pieces(): return ["a", b"b"]
    def stream():
        yield "a"
        yield b""
        yield b"b"
    def page():
        yield "<!doctype html><p>"
        yield "</p>"
    def blob(): return io.BytesIO(b"a\\nb")
    def nothing_in_it(): return iter(())
    async def coroutine():
        await asyncio.sleep(0)
        return "coroutine"
    async def agen():
        yield "a"
        await asyncio.sleep(0)
        yield "b"
    async def both():
        loop = asyncio.get_running_loop()
        async def rest():
            assert asyncio.get_running_loop() is loop
            yield "same loop"
        return rest()
    def response(): return Response("<b>", 418, {"X-A": "1"}, content_type="text/html")
    def cookies(): return Response({"a": 1}, headers=[("Set-Cookie", "a=1"), ("set-cookie", "b=2")])
    def redirect(): return Response(status=303, headers={"Location": "/"})
    def empty(): return Response("dropped", 204)
    def streamed(): return Response(stream(), 201)
    def forged(): return Response("abc", headers={"Content-Length": "1"})
    """

ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "text": (200, TEXT, "é".encode()),
    "html": (200, HTML, "<!DOCTYPE html>\n<p>é</p></HTML>\n".encode()),
    "data": (200, BYTES, b"\0\xff"),
    "array": (200, BYTES, b"a"),
    "mapping": (200, JSON, (
        '{"a": [1, null, "é"], "b": {"sku": 7, "tags": [1]}, "c": "red", "d": "2004-10-31",'
        ' "e": "1.10"}'
    ).encode()),
    "record": (200, JSON, b'{"sku": 7, "tags": [1]}'),
    "keys": (200, JSON, (
        b'{"2004-10-31": 1, "1.10": 2, "red": 3, "00000000-0000-0000-0000-000000000001": 4,'
        b' "12:00:00": 5}'
    )),
    "number": (200, TEXT, b"7"),
    "pieces": (200, TEXT, b"ab"),
    "stream": (200, TEXT, b"ab"),
    "page": (200, HTML, b"<!doctype html><p></p>"),
    "blob": (200, BYTES, b"a\nb"),
    "nothing_in_it": (200, TEXT, b""),
    "coroutine": (200, TEXT, b"coroutine"),
    "agen": (200, TEXT, b"ab"),
    "both": (200, TEXT, b"same loop"),
    "response": (418, "text/html", b"<b>"),
    "cookies": (200, JSON, b'{"a": 1}'),
    "streamed": (201, TEXT, b"ab"),
    "forged": (200, TEXT, b"abc"),
}  # fmt: skip


@pytest.fixture
def page(site: Site) -> Site:
    site.publish({"index.py": PAGE})
    return site


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_returned_is_sent(page: Site, name: str) -> None:
    reply = page.get(f"/{name}")
    assert ANSWERS[name] == (reply.status, reply.kind, reply.body)
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers.get("content-length", str(len(reply.body))) == str(len(reply.body))


@pytest.mark.parametrize("name", ANSWERS)
def test_head_is_the_same_without_the_body(page: Site, name: str) -> None:
    whole, head = page.get(f"/{name}"), page.get(f"/{name}", method="HEAD")
    assert (whole.status, whole.headers, b"") == (head.status, head.headers, head.body)


def test_none_is_an_empty_200(site: Site) -> None:
    site.publish({"index.py": "def index(): pass"})
    reply = site.get("/")
    assert (200, b"", "0") == (reply.status, reply.body, reply.headers["content-length"])


def test_a_redirect_and_no_content(page: Site) -> None:
    reply = page.get("/redirect")
    assert (303, "/", b"") == (reply.status, reply.headers["location"], reply.body)
    reply = page.get("/empty")
    assert (204, b"") == (reply.status, reply.body)
    assert not {"content-length", "content-type"} & reply.headers.keys()


def test_what_a_visitor_has_sent_does_not_make_text_html(page: Site) -> None:
    reply = page.get("/greeting", "name=%3Cscript%3Ealert(1)%3C/script%3E%3C/html%3E")
    assert reply.kind == TEXT


SCRIPT = "<script>alert(1)</script></html>"
ECHOES = """
    from transfuse.publishing import Response
    def echo(name): return name
    def stripped(name): return name.strip()
    def greeted(name): return f"<h1>{name}</h1></html>"
    def query(request): return request.query
    def header(request): return request.headers["x-sent"]
    def body(request): return request.body.decode()
    def names(**others): return list(others)[0]
    def deep(a): return a["b"][0]
    def streamed(name): yield name
    async def streamed_async(name): yield name
    def listed(name): return [name, "b"]
    def escaped(name):
        import html
        return f"<html>{html.escape(name)}</html>"
    def said(name): return Response(name, content_type="text/html")
    """


@pytest.mark.parametrize("name", ["echo", "stripped", "greeted", "streamed", "streamed_async",
                                  "listed"])  # fmt: skip
def test_what_a_visitor_has_sent_is_not_html_however_it_begins_and_ends(
    site: Site, name: str
) -> None:
    site.publish({"index.py": ECHOES})
    sent = f"<html>{SCRIPT}"
    assert site.get(f"/{name}", urlencode({"name": f" {sent} "})).kind == TEXT
    assert site.get(f"/{name}", "name=<html></html>").kind == TEXT


def test_what_a_visitor_has_sent_is_not_html_wherever_it_was_sent(site: Site) -> None:
    site.publish({"index.py": ECHOES})
    kinds = [
        site.get("/query", SCRIPT).kind,
        site.get("/header", headers={"X-Sent": SCRIPT}).kind,
        site.get("/names", urlencode({SCRIPT: ""})).kind,
        site.post("/body", SCRIPT.encode(), "text/plain").kind,
        site.post("/deep", json.dumps({"a": {"b": [SCRIPT]}}).encode(), "application/json").kind,
    ]
    assert kinds == [TEXT] * 5


def test_what_a_visitor_has_sent_is_html_once_it_is_escaped_or_the_page_says_so(
    site: Site,
) -> None:
    site.publish({"index.py": ECHOES})
    sent = urlencode({"name": SCRIPT})
    assert (HTML, True) == (
        site.get("/escaped", sent).kind,
        "&lt;" in site.get("/escaped", sent).text,
    )
    assert site.get("/greeted", "name=a").kind == HTML
    assert site.get("/said", sent).kind == "text/html"


@pytest.mark.parametrize("change", ["headers.append(('X-A', 'b\\r\\nC: d'))", "status = 999",
                                    "headers.append(('X-A', 5))", "headers = {'a': 'b'}",
                                    "status = '200'"])  # fmt: skip
def test_a_response_that_was_changed_is_looked_at_when_it_is_sent(site: Site, change: str) -> None:
    site.publish({
        "index.py": f"""
            from transfuse.publishing import Response
            def index():
                response = Response("a")
                response.{change}
                return response
            """
    })  # fmt: skip
    assert site.get("/").status == 500


@pytest.mark.parametrize("returned", ["object()", "[1]", "(n for n in [1])", "{'a': object()}",
                                      "{'a': float('nan')}"])  # fmt: skip
def test_what_cannot_be_sent_is_an_error(site: Site, returned: str) -> None:
    site.publish({"index.py": f"def index(): return {returned}"})
    assert site.get("/").status == 500


@pytest.mark.parametrize(
    "arguments",
    [{"status": 99}, {"status": 600}, {"headers": {"A\r\nB": "c"}}, {"headers": {"A": "b\r\nC: d"}},
     {"headers": {"A": "b\nC: d"}}, {"headers": {"A": "\0"}}, {"headers": {"": "b"}},
     {"content_type": "a\r\nb"}, {"headers": {"A": "\u2028"}}],
)  # fmt: skip
def test_a_response_takes_no_header_that_ends_another(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no |codec"):
        Response("", **arguments)


def test_a_stream_is_closed_when_nobody_reads_on(site: Site) -> None:
    site.publish({
        "index.py": """
            ended = []
            def index():
                try:
                    while True: yield "x"
                finally: ended.append("sync")
            async def slow():
                try:
                    while True: yield "x"
                finally: ended.append("async")
            def told(): return ended
            """
    })  # fmt: skip
    site.get("/", method="HEAD")
    site.get("/slow", method="HEAD")
    assert site.get("/told").text == "syncasync"


def test_under_asgi_a_stream_ends_with_whoever_reads_it(site: Site) -> None:
    site.publish({
        "index.py": """
            import asyncio
            ended = []
            async def index():
                try:
                    yield "x"
                    await asyncio.Event().wait()
                finally: ended.append("gone")
            def told(): return ended
            """
    })  # fmt: skip

    async def leave() -> None:
        begun = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message.get("body"):
                begun.set()

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await asyncio.wait_for(site.application(scope, receive, send), 20)

    asyncio.run(leave())
    assert site.get("/told").text == "gone"


@dataclass
class Interpolation:
    """What `string.templatelib.Interpolation` is from Python 3.14 on."""

    value: object
    conversion: str | None = None
    format_spec: str = ""


class Template:
    """What `string.templatelib.Template` is: text, and what is put into it, in order."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def __iter__(self) -> Any:
        return iter(self._parts)


class Safe:
    def __html__(self) -> str:
        return "<i>"


def test_a_template_is_html_with_what_is_put_in_escaped() -> None:
    rows = [Template("<li>", Interpolation(each)) for each in ("<", 2)]
    assert "<b>&lt;&amp;&quot;</b>" == render(Template("<b>", Interpolation('<&"'), "</b>"))
    assert "&#x27;&lt;&#x27; 1.50" == render(
        Template(Interpolation("<", "r"), " ", Interpolation(1.5, None, ".2f"))
    )
    assert "<li>&lt;<li>2<i>" == render(Template(Interpolation(rows), Interpolation(Safe())))
    assert "[&#x27;&lt;&#x27;]" == render(Template(Interpolation(["<"])))
    assert "&lt;" == render(Template(Interpolation(Text("<"), "s")))


class Text(str):
    def __html__(self) -> str:
        return self


def test_a_template_is_a_piece_as_any_other(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(responses, "_TEMPLATE", Template)
    site.publish({
        "index.py": """
            from test_responses import Interpolation, Template
            def index(name): return [Template("<p>", Interpolation(name)), "</p>"]
            def stream(name):
                yield Template("<p>", Interpolation(name))
                yield Template("</p>")
            """
    })  # fmt: skip
    for path in ("/", "/stream"):
        reply = site.get(path, "name=%3C")
        assert (HTML, "<p>&lt;</p>") == (reply.kind, reply.text)


if sys.version_info >= (3, 14):

    def test_a_template_string_is_a_page(site: Site) -> None:
        site.publish({"index.py": 'def index(name): return t"<b>{name}</b>"'})
        reply = site.get("/", "name=%3C")
        assert (HTML, "<b>&lt;</b>") == (reply.kind, reply.text)

    def test_a_template_string_is_a_piece_of_a_page(site: Site) -> None:
        # The syntax of template strings is new in Python 3.14.
        site.publish({"index.py": 'def index(name): yield t"<b>{name}</b>"'})
        reply = site.get("/", "name=%3C")
        assert (HTML, "<b>&lt;</b>") == (reply.kind, reply.text)
