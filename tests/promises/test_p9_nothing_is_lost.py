"""P9: no request is refused, dropped, or answered by a mix because of an update."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.threads import Worker, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UPDATES = 20
CLIENTS = 16


def shop(number: int) -> dict[str, str]:
    """An application each of whose answers is composed of values from four modules."""
    return {
        "shop/__init__.py": "",
        "shop/tax.py": f"RATE = {number}\n",
        "shop/prices.py": f"""
            from shop import tax
            TEA = {number}
            def all(): return TEA, tax.RATE
            """,
        "shop/late.py": f"VALUE = {number}\n",
        "web.py": """
            import asyncio
            from shop import prices, tax
            from shop.prices import TEA
            def answer():
                from shop import late
                return b" ".join(b"%d" % n for n in (TEA, *prices.all(), tax.RATE, late.VALUE))
            def app(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain")])
                if environ["PATH_INFO"] == "/stream":
                    return stream(environ)
                return [answer()]
            def stream(environ):
                yield answer() + b" "
                environ["step"]()
                yield answer()
            async def aapp(scope, receive, send):
                await receive()
                first = answer()
                await asyncio.sleep(0)
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": first + b" " + answer()})
            """,
    }


def get(application: Any, path: str, step: Callable[[], None] = lambda: None) -> bytes:
    """Return what a WSGI server would send."""
    said: list[str] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "step": step}
    body = application(environ, lambda status, _headers, _error=None: said.append(status))
    try:
        sent = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    assert said == ["200 OK"]
    return sent


def tally(answers: list[bytes]) -> tuple[Counter[str], set[int]]:
    """Count the whole and the mixed answers, and the versions that answered."""
    kinds: Counter[str] = Counter()
    versions: set[int] = set()
    for answer in answers:
        values = {int(value) for value in answer.split()}
        kinds["whole" if len(values) == 1 else "mixed"] += 1
        versions |= values
    return kinds, versions


def under_load(ask: Callable[[], bytes], edits: Callable[[], None]) -> list[bytes]:
    """Return the answers to 16 clients while edits were made. An error of any client is raised."""
    stop = threading.Event()

    def client() -> list[bytes]:
        answers = []
        while not stop.is_set():
            answers.append(ask())
            time.sleep(0.001)  # as a client would be busy with the answer
        return answers

    clients = [Worker(client) for _ in range(CLIENTS)]
    try:
        edits()
    finally:
        stop.set()
    return [answer for each in clients for answer in each.result()]


@pytest.fixture(autouse=True)
def many_turns() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_p9_wsgi_under_load(tree: LiveTree, policy: str, path: str) -> None:
    tree.write(shop(0))
    tree.install(policy=policy)
    application = transfuse.wsgi("web:app")

    def edits() -> None:
        for number in range(1, UPDATES + 1):
            tree.published(shop(number))
            assert tree.update({"shop/tax.py": "RATE = (\n"}).outcome == "refused"
            tree.write(shop(number))

    answers = under_load(lambda: get(application, path), edits)
    kinds, versions = tally(answers)
    assert kinds["mixed"] == 0
    assert len(answers) > CLIENTS
    assert versions <= set(range(UPDATES + 1))
    assert {UPDATES} == tally([get(application, path)])[1]


def test_p9_wsgi_routes_on_another_modules_app(tree: LiveTree, policy: str) -> None:
    def pages(number: int) -> dict[str, str]:
        return {
            "routes.py": "ROUTES = {}\n"
            "def route(path): return lambda function: ROUTES.setdefault(path, function)\n"
            "def app(environ, start_response):\n"
            "    import pages\n"
            "    start_response('200 OK', [])\n"
            "    return [ROUTES[environ['PATH_INFO']]()]\n",
            "main.py": "import pages\nfrom routes import app\n",
            "pages.py": f"from routes import route\n@route('/')\ndef index(): return b'{number}'\n",
        }

    tree.write(pages(0))
    tree.install(policy=policy)
    application = transfuse.wsgi("main:app")

    def edits() -> None:
        for number in range(1, UPDATES + 1):
            tree.published({"pages.py": pages(number)["pages.py"]})

    answers = under_load(lambda: get(application, "/"), edits)
    assert {bytes(str(n), "ascii") for n in range(UPDATES + 1)} >= set(answers)
    assert get(application, "/") == b"%d" % UPDATES


def test_p9_a_request_that_blocks_across_an_update_ends_on_its_own_code(
    tree: LiveTree, policy: str
) -> None:
    tree.write(shop(1))
    tree.install(policy=policy)
    application = transfuse.wsgi("web:app")
    begun, go_on = threading.Event(), threading.Event()

    def step() -> None:
        begun.set()
        wait(go_on)

    blocked = Worker(lambda: get(application, "/stream", step))
    wait(begun)
    old = transfuse.status().generation
    tree.published(shop(2))
    assert get(application, "/") == b"2 2 2 2 2"
    assert ((old, 1),) == transfuse.status().draining
    go_on.set()
    assert blocked.result() == b"1 1 1 1 1 1 1 1 1 1"
    assert transfuse.status().draining == ()


def test_p9_each_step_of_a_body_may_come_in_another_thread(tree: LiveTree, policy: str) -> None:
    tree.write(shop(1))
    tree.install(policy=policy)
    application: Any = transfuse.wsgi("web:app")
    environ = {"PATH_INFO": "/stream", "step": lambda: None}
    body = application(environ, lambda *_: None)
    first = Worker(lambda: next(body)).result()
    tree.published(shop(2))
    second = Worker(lambda: next(body)).result()
    Worker(body.close).result()
    assert first + second == b"1 1 1 1 1 1 1 1 1 1"
    assert transfuse.status().draining == ()
    assert get(application, "/") == b"2 2 2 2 2"


def test_p9_a_handler_that_raises_leaves_no_pin(tree: LiveTree, policy: str) -> None:
    source = "def app(environ, start_response): raise KeyError('handler {}')\n"
    tree.write({"web.py": source.format(1)})
    tree.install(policy=policy)
    application = transfuse.wsgi("web:app")
    for number in (1, 2):
        with pytest.raises(KeyError, match=f"handler {number}"):
            get(application, "/")
        tree.published({"web.py": source.format(number + 1)})
    assert transfuse.status().draining == ()


async def aget(application: Any) -> bytes:
    """Return what an ASGI server would send."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    await application({"type": "http", "path": "/"}, receive, send)
    assert [message["status"] for message in sent if "status" in message] == [200]
    return b"".join(message.get("body", b"") for message in sent)


def test_p9_asgi_under_load(tree: LiveTree, policy: str) -> None:
    tree.write(shop(0))
    tree.install(policy=policy)
    application = transfuse.asgi("web:aapp")

    async def story() -> list[bytes]:
        stop = asyncio.Event()
        answers: list[bytes] = []

        async def client() -> None:
            while not stop.is_set():
                answers.append(await aget(application))

        clients = [asyncio.ensure_future(client()) for _ in range(CLIENTS)]
        for number in range(1, UPDATES + 1):
            await asyncio.to_thread(tree.published, shop(number))
        stop.set()
        await asyncio.wait_for(asyncio.gather(*clients), CAP)
        answers.append(await aget(application))
        return answers

    answers = asyncio.run(story())
    kinds, versions = tally(answers)
    assert kinds["mixed"] == 0
    assert len(answers) > CLIENTS
    assert versions <= set(range(UPDATES + 1))
    assert {UPDATES} == tally(answers[-1:])[1]
    assert transfuse.status().draining == ()


WITH_LIFESPAN = """
    import outside
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                outside.ran.append((message["type"], {0}))
                await send({{"type": message["type"] + ".complete"}})
                if message["type"] == "lifespan.shutdown":
                    return
        await receive()
        await send({{"type": "websocket.accept"}})
        while (message := await receive())["type"] == "websocket.receive":
            await send({{"type": "websocket.send", "text": message["text"] + " {0}"}})
    """


def test_p9_asgi_lifespan_and_websocket_in_the_plain_case(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"web.py": WITH_LIFESPAN.format(1)})
    tree.install(policy=policy)
    application: Any = transfuse.asgi("web:app")

    async def story() -> list[str]:
        heard: list[str] = []
        lines: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue(), asyncio.Queue()]

        async def send(message: dict[str, Any]) -> None:
            heard.append(message.get("text", message["type"]))

        server = asyncio.ensure_future(application({"type": "lifespan"}, lines[0].get, send))
        await lines[0].put({"type": "lifespan.startup"})
        while not heard:
            await asyncio.sleep(0)
        socket = asyncio.ensure_future(application({"type": "websocket"}, lines[1].get, send))
        await lines[1].put({"type": "websocket.connect"})
        await lines[1].put({"type": "websocket.receive", "text": "before"})
        while len(heard) < 3:
            await asyncio.sleep(0)
        await asyncio.to_thread(tree.published, {"web.py": WITH_LIFESPAN.format(2)})
        await lines[1].put({"type": "websocket.receive", "text": "after"})
        await lines[1].put({"type": "websocket.disconnect"})
        await asyncio.wait_for(socket, CAP)
        await lines[0].put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(server, CAP)
        return heard

    heard = asyncio.run(story())
    assert heard == [
        "lifespan.startup.complete",
        "websocket.accept",
        "before 1",
        "after 1",
        "lifespan.shutdown.complete",
    ]
    # The old one's shutdown comes after its last connection.
    assert outside.ran == [
        ("lifespan.startup", 1),
        ("lifespan.startup", 2),
        ("lifespan.shutdown", 1),
        ("lifespan.shutdown", 2),
    ]
    assert transfuse.status().draining == ()
