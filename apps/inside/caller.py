"""How is an application asked without a server?

A WSGI application is called in the main thread. An ASGI application runs in the event loop of a
thread of its own, with its lifespan, as under a server: Transfuse executes code in that thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from wsgiref.util import setup_testing_defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

# A request is {"method": "GET", "path": "/a?b=c", "headers": [["name", "value"]], "body": ""},
# an answer {"status": "200", "type": "text/html", "body": "..."}.
Message = dict[str, Any]
# The longest that one request or the startup is waited for, in seconds.
CAP = 120.0


def failed(error: BaseException) -> Message:
    """Return an application's exception as an answer."""
    return {"status": "raised", "type": type(error).__name__, "body": str(error)}


class Wsgi:
    """Calls a WSGI application."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def cpu_of(self, request: Message) -> float:
        """Return the seconds of CPU that the application needs to answer a request."""
        begun = time.thread_time()
        self.ask(request)
        return time.thread_time() - begun

    def ask(self, request: Message) -> Message:
        """Return the answer to one request."""
        path, _, query = request["path"].partition("?")
        body = request["body"].encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request["method"],
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in request["headers"]:
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        setup_testing_defaults(environ)
        told: Message = {}
        written: list[bytes] = []

        def start_response(status: str, headers: Any, _error: Any = None) -> Callable[..., Any]:
            told.update(status=status.partition(" ")[0], type=_content_type(headers))
            return written.append

        try:
            answered = self._application(environ, start_response)
            try:
                written.extend(answered)
            finally:
                if hasattr(answered, "close"):
                    answered.close()
        except Exception as error:
            return failed(error)
        return {**told, "body": b"".join(written).decode(errors="replace")}


class Asgi:
    """Serves an ASGI application in a thread of its own, which begins its lifespan."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self._state: dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="server", daemon=True).start()
        self._run(self._begin())

    def ask(self, request: Message) -> Message:
        """Return the answer to one request."""
        try:
            return self._run(self._ask(request))  # type: ignore[no-any-return]
        except Exception as error:
            return failed(error)

    def cpu_of(self, request: Message) -> float:
        """Return the seconds of CPU that the application needs to answer a request."""
        timed = _Timed(self._ask(request))
        # As in `ask`, an exception is an answer, too.
        with contextlib.suppress(Exception):
            self._run(timed.wait())
        return timed.cpu

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CAP)

    async def _begin(self) -> None:
        begun = asyncio.Event()
        messages: list[Message] = [{"type": "lifespan.startup"}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            # The process ends without a shutdown.
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                raise RuntimeError(message.get("message", "the startup failed"))
            begun.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        # Kept as an attribute, because the loop holds its tasks weakly.
        self._lifespan = asyncio.ensure_future(self._application(scope, receive, send))
        ready = asyncio.ensure_future(begun.wait())
        await asyncio.wait([self._lifespan, ready], return_when="FIRST_COMPLETED")
        ready.cancel()

    async def _ask(self, request: Message) -> Message:
        path, _, query = request["path"].partition("?")
        headers = [(name.lower().encode(), value.encode()) for name, value in request["headers"]]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "method": request["method"],
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": dict(self._state),
        }
        ended = asyncio.Event()
        bodies = [{"type": "http.request", "body": request["body"].encode(), "more_body": False}]
        told: Message = {"body": b""}

        async def receive() -> Message:
            if bodies:
                return bodies.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = [(key.decode(), value.decode()) for key, value in message["headers"]]
                told.update(status=str(message["status"]), type=_content_type(names))
            elif message["type"] == "http.response.body":
                told["body"] += message.get("body", b"")
                if not message.get("more_body"):
                    ended.set()

        await self._application(scope, receive, send)
        return {**told, "body": told["body"].decode(errors="replace")}


class _Timed:
    """Measures the CPU of a coroutine, without what its event loop does while it is suspended."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work
        self.cpu = 0.0

    async def wait(self) -> None:
        """Run the coroutine to its end."""
        await self

    def __await__(self) -> Generator[Any, Any, None]:
        resume: Callable[[Any], Any] = self._work.send
        value: Any = None
        while True:
            begun = time.thread_time()
            try:
                awaited = resume(value)
            except StopIteration:
                return
            finally:
                self.cpu += time.thread_time() - begun
            # The event loop throws the exception of a failed future into the coroutine, which may
            # handle it.
            try:
                resume, value = self._work.send, (yield awaited)
            except BaseException as error:
                resume, value = self._work.throw, error


def _content_type(headers: Any) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")
