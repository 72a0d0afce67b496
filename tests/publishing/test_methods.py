"""HEAD, OPTIONS, 405, how long a body may be, and what an error looks like."""

from __future__ import annotations

import asyncio
import inspect
import io
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import publishing_site
import transfuse
from publishing_site import Site

if TYPE_CHECKING:
    from conftest import LiveTree

site = publishing_site.site

ALLOW = "GET, HEAD, OPTIONS, POST"
PAGE = """
    called = []
    def index(request): called.append(request.method); return request.method
    def told(): return called
    def body(request): return str(len(request.body))
    """


@pytest.fixture
def page(site: Site) -> Site:
    site.publish({"index.py": PAGE})
    return site


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_three_methods_call(page: Site, method: str) -> None:
    reply = page.get("/", method=method)
    assert (200, "" if method == "HEAD" else method) == (reply.status, reply.text)
    assert reply.headers["content-length"] == str(len(method))
    assert page.get("/told").text == method


def test_head_of_a_refusal_is_the_same_without_the_body(site: Site) -> None:
    site.publish({
        "index.py": """
            def needs(n: int): ...
            def fails(): 1 / 0
            def guarded(): ...
            guarded.__auth__ = {}
            def closed(): ...
            closed.__access__ = False
            """
    })  # fmt: skip
    for path, status in (("/nothing", 404), ("/needs", 400), ("/fails", 500), ("/guarded", 401),
                         ("/closed", 403)):  # fmt: skip
        whole, head = site.get(path), site.get(path, method="HEAD")
        assert (status, whole.headers, b"") == (head.status, head.headers, head.body)
        assert whole.headers["content-length"] == str(len(whole.body))


def test_options_tells_and_does_not_call(page: Site) -> None:
    reply = page.get("/", method="OPTIONS")
    assert (204, ALLOW, b"") == (reply.status, reply.headers["allow"], reply.body)
    assert page.get("/told").text == ""


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "BREW"])
def test_every_other_method_is_a_405_and_does_not_call(page: Site, method: str) -> None:
    reply = page.get("/", method=method)
    assert (405, ALLOW) == (reply.status, reply.headers["allow"])
    assert page.get("/told").text == ""


def test_a_body_may_be_so_long_and_not_longer(site: Site) -> None:
    site.publish({"index.py": PAGE}, body_limit=1000)
    kind = "application/octet-stream"
    assert site.post("/body", b"x" * 1000, kind).text == "1000"
    reply = site.post("/body", b"x" * 1001, kind)
    assert reply.status == 413
    assert "1000 bytes" in reply.text


def test_a_limit_makes_sense(tree: LiveTree) -> None:
    with pytest.raises(ValueError, match="-1"):
        transfuse.publisher(tree.root, body_limit=-1)


def wsgi(site: Site, source: io.BytesIO, **more: Any) -> str:
    """Ask by WSGI with an environment of one's own; the status."""
    said: list[str] = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/body", "wsgi.input": source, **more}
    body = site.application(environ, lambda status, _: said.append(status))
    b"".join(body)
    return said[0]


def test_a_length_that_is_too_long_is_refused_before_anything_is_read(page: Site) -> None:
    for length in ("10485761", "9" * 5000):
        source = io.BytesIO(b"x")
        assert wsgi(page, source, CONTENT_LENGTH=length).startswith("413")
        assert source.tell() == 0


def test_a_length_that_is_none_and_a_body_that_ends_before_it(page: Site) -> None:
    for length in ("x", "-1", "1.5", "٣", "5"):
        assert wsgi(page, io.BytesIO(b"1"), CONTENT_LENGTH=length).startswith("400")


def test_a_body_without_a_length_is_read_if_it_has_an_end(site: Site) -> None:
    site.publish({"index.py": PAGE}, body_limit=4)
    ended: dict[str, Any] = {"wsgi.input_terminated": True}
    assert wsgi(site, io.BytesIO(b"1234"), **ended).startswith("200")
    assert wsgi(site, io.BytesIO(b"12345"), **ended).startswith("413")
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked"}
    assert wsgi(site, io.BytesIO(b"12345"), **chunked).startswith("413")
    source = io.BytesIO(b"12345")
    assert wsgi(site, source).startswith("200")
    assert source.tell() == 0


def test_under_asgi_the_rest_of_a_body_that_is_too_long_is_not_read(site: Site) -> None:
    site.publish({"index.py": PAGE}, body_limit=4)
    sent: list[dict[str, Any]] = []
    asked: list[int] = []

    async def receive() -> dict[str, Any]:
        asked.append(1)
        return {"type": "http.request", "body": b"123", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/body", "headers": []}
    asyncio.run(site.application(scope, receive, send))
    assert (413, 2) == (sent[0]["status"], len(asked))


def test_under_asgi_who_leaves_while_sending_is_not_answered(page: Site) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: dict[str, Any]) -> None:
        raise AssertionError("sent")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(page.application(scope, receive, send))
    assert page.get("/told").text == ""


FAILING = """
    def index(): raise LookupError("<secret>")
    def late():
        yield "a"
        raise LookupError("late")
    def early():
        raise LookupError("<secret>")
        yield "a"
    def stop(): raise StopIteration
    async def coroutine(): raise LookupError("<secret>")
    def required(a): ...
    """


@pytest.mark.parametrize("path", ["/", "/early", "/coroutine", "/stop"])
def test_an_error_is_a_page_that_says_nothing_and_a_log_that_says_all(
    site: Site, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.publish({"index.py": FAILING})
    reply = site.get(path)
    assert (500, "text/html; charset=utf-8") == (reply.status, reply.kind)
    assert "secret" not in reply.text
    assert "index.py" not in reply.text
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.name == "transfuse.publisher"
    assert "index.py" in caplog.text


def test_in_debug_an_error_shows_the_traceback_escaped_and_of_the_users_code(site: Site) -> None:
    site.publish({"index.py": FAILING}, debug=True)
    reply = site.get("/")
    assert reply.status == 500
    assert "LookupError: &lt;secret&gt;" in reply.text
    assert "raise LookupError(&quot;&lt;secret&gt;&quot;)" in reply.text
    assert "publishing" not in reply.text


def test_in_debug_a_404_says_why(site: Site) -> None:
    site.publish({"index.py": "from os import path, system"}, debug=True)
    assert "does not define system" in site.get("/system").text
    site.application = transfuse.publisher(site.tree.root)
    assert "system" not in site.get("/system").text


def test_an_error_in_the_middle_of_a_stream_is_the_servers(site: Site) -> None:
    site.publish({"index.py": FAILING})
    with pytest.raises(LookupError, match="late"):
        site.get("/late")


def test_a_page_that_cannot_be_imported_is_a_500_and_not_a_404(site: Site) -> None:
    site.publish({"a.py": "import nothing_of_this_name", "b.py": "def (", "c.py": "1 / 0",
                  "d/__init__.py": "raise ImportError('no')", "d/page.py": ""})  # fmt: skip
    assert [500] * 4 == [site.get(path).status for path in ("/a", "/b", "/c", "/d/page")]


def test_a_publisher_may_be_mounted(page: Site) -> None:
    reply = page.get("/body", mounted="/shop", method="POST")
    assert (200, "0") == (reply.status, reply.text)
    assert page.get("", mounted="/shop").status == 200


def test_pages_have_no_lifespan_and_no_websockets(page: Site) -> None:
    async def talk(kind: str, *coming: str) -> list[str]:
        messages = [{"type": each} for each in coming]
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await page.application({"type": kind, "path": "/", "headers": []}, receive, send)
        return sent

    started = asyncio.run(talk("lifespan", "lifespan.startup", "lifespan.shutdown"))
    assert started == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(talk("websocket", "websocket.connect")) == ["websocket.close"]


def test_one_object_is_both_and_says_so(page: Site) -> None:
    application = page.application
    # Servers ask in the way of their Python; asyncio's is deprecated from 3.14 on.
    asks = inspect if sys.version_info >= (3, 12) else asyncio
    assert asks.iscoroutinefunction(application.__call__)
    assert repr(application) == f"transfuse.publisher({str(page.tree.root)!r})"
    with pytest.raises(TypeError, match="environ, start_response"):
        application({})


def test_under_asgi_functions_run_in_threads_and_coroutines_in_the_loop(site: Site) -> None:
    site.publish({
        "index.py": """
            import threading
            def thread(): return threading.current_thread().name
            async def loop(): return threading.current_thread().name
            """
    })  # fmt: skip
    main = threading.current_thread().name
    by_asgi = "asyncio" in site.get("/thread").text
    assert by_asgi or site.get("/thread").text == main
    assert site.get("/loop").text == main
