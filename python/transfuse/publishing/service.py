"""How does a request become an answer?

The flow, written once for both protocols: ask the guards of the packages on the way, find the
function, ask its guards, check the method, read the body, call, make an answer of the result.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from transfuse.config.logs import get_logger
from transfuse.publishing.arguments import arguments_for
from transfuse.publishing.contain_exit import Contained
from transfuse.publishing.file_origins import Origins
from transfuse.publishing.form_parsing import fields_of
from transfuse.publishing.guards import Gate
from transfuse.publishing.http_errors import Refused, VisitorGone, not_found, page
from transfuse.publishing.packages import PACKAGE, Packages
from transfuse.publishing.pages import Page, Pages
from transfuse.publishing.paths import folders, places, real_place
from transfuse.publishing.reflected_input import has_echo
from transfuse.publishing.responses import Answer, Stream, answer_to, complete
from transfuse.publishing.traversal import find
from transfuse.source.tracebacks import user_traceback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from transfuse.publishing.executor import Running
    from transfuse.publishing.paths import Place
    from transfuse.publishing.request import Request

log = get_logger("transfuse.publisher")

_ALLOW = ("Allow", "GET, HEAD, OPTIONS, POST")
_CALLING = ("GET", "HEAD", "POST")
_HTML = "text/html; charset=utf-8"


class Service:
    """Answers requests from the pages under one folder.

    Attributes:
        folder: absolute.
        debug: whether visitors are shown tracebacks, and why something is not published.
        body_limit: how long a body may be, in bytes.
    """

    def __init__(self, folder: str, *, debug: bool, body_limit: int) -> None:
        self.folder = folder
        self.debug = debug
        self.body_limit = body_limit
        self._packages = Packages(folder)
        self._pages = Pages(folder)
        self._origins = Origins(folder)

    async def respond(
        self, request: Request, running: Running, body: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        """Return the answer to a request.

        Args:
            request: without its body.
            running: where functions run.
            body: reads the body; raises Refused, 413, if it is longer than it may be.

        Raises:
            VisitorGone: `body` says so.
        """
        try:
            answer = await Contained(self._answer(request, running, body))
        except Refused as refusal:
            answer = self._refusal(request, refusal)
        except VisitorGone:
            raise
        except Exception as error:
            log.exception("%s %s: %s", request.method, request.path, type(error).__name__)
            trace = user_traceback(error) if self.debug else ""
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            answer = complete(status, _HTML, page(status, trace=trace))
        if all(name.lower() != "x-content-type-options" for name, _ in answer.headers):
            # A browser must not take text for HTML because of something a visitor has put into it.
            answer.headers.append(("X-Content-Type-Options", "nosniff"))
        if request.method == "HEAD":
            if isinstance(answer.body, Stream):
                await self._close(answer.body, request)
            answer.body = b""
        return answer

    async def _close(self, stream: Stream, request: Request) -> None:
        """Close a stream that is not sent; an exception of its end does not change the answer."""
        try:
            await stream.close()
        except Exception as error:
            log.exception("%s %s: %s", request.method, request.path, type(error).__name__)

    def _refusal(self, request: Request, refusal: Refused) -> Answer:
        log.debug("%s %s: %d, %s", request.method, request.path, refusal.status, refusal)
        told = refusal.told
        if self.debug and refusal.why:
            told = (*told, refusal.why)
        answer = complete(refusal.status, _HTML, page(refusal.status, told))
        answer.headers += refusal.headers
        return answer

    async def _answer(
        self, request: Request, running: Running, body: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        gate = Gate(request, running)
        for folder in folders(request.path):
            await self._ask_package(folder, gate, running)
        place, found = await self._page(request.path, gate, running)
        for package in self._packages.above(found.module):
            await gate.ask_package(package)
        function = await find(
            found,
            place.names,
            pages=self._pages,
            running=running,
            ask=gate.ask,
            calls=request.method in _CALLING,
        )
        if request.method == "OPTIONS":
            return Answer(HTTPStatus.NO_CONTENT, [_ALLOW], b"")
        if request.method not in _CALLING:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, headers=(_ALLOW,))
        if request.method == "POST":
            request.body = await body()
        # A body may be long: while it is taken apart others are answered.
        if request.body:
            prepared = await running.call(_prepared, function, request)
        else:
            prepared = _prepared(function, request)
        fields, positional, named = prepared
        returned = await running.call(function, *positional, **named)

        async def echoes(text: str) -> bool:
            # A long body takes long to search for.
            if request.body:
                found: bool = await running.call(has_echo, text, request, fields)
                return found
            return has_echo(text, request, fields)

        return await answer_to(returned, running, echoes)

    async def _ask_package(self, folder: tuple[str, ...], gate: Gate, running: Running) -> None:
        """Ask the package of a folder, if it is one, before anything below is looked for."""
        package: object | None = self._packages.known(folder)
        is_new = package is None and self._packages.has(folder)
        if package is None and not is_new:
            package = self._packages.missing(folder)
            if package is None:
                return
        self._real_place((*folder, PACKAGE))
        if is_new:
            package = await running.call(self._packages.load, folder)
        await gate.ask_package(package)

    async def _page(self, path: str, gate: Gate, running: Running) -> tuple[Place, Page]:
        for place in places(path):
            page = await self._at(place.file, gate, running)
            if page is not None:
                return place, page
        raise not_found("no page has this path")

    async def _at(self, file: tuple[str, ...], gate: Gate, running: Running) -> Page | None:
        """Return the page of a file, given by its path under the folder; None if there is none."""
        whole = os.path.join(self.folder, *file)
        if not self._pages.may_be(whole):
            return None
        present = self._real_place(file)
        if present != file:
            # A link is no way around the guards of the folder it leads to.
            await self._ask_packages_of(present, gate, running)
        page = self._pages.ready(whole)
        if page is None:
            page = await running.call(self._pages.load, whole)
        if page is not None:
            # Nor is a link that leads elsewhere by now.
            origin = self._origins.known(page)
            if origin != present:
                origin = await running.call(self._origins.note, page, file, present)
            if origin != present:
                await self._ask_packages_of(origin, gate, running)
        return page

    async def _ask_packages_of(self, place: tuple[str, ...], gate: Gate, running: Running) -> None:
        for depth in range(len(place)):
            await self._ask_package(place[:depth], gate, running)

    def _real_place(self, file: tuple[str, ...]) -> tuple[str, ...]:
        # Looked at each time, and before anything of it runs.
        real = real_place(self.folder, file)
        if real is None:
            whole = os.path.join(self.folder, *file)
            raise not_found(f"{whole} is not in the folder, or is spelled otherwise")
        return real


def _prepared(
    function: Callable[..., Any], request: Request
) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    """Return the fields of a request, and the arguments of the call."""
    fields = fields_of(request)
    return fields, *arguments_for(function, request, fields)
