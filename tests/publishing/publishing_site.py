"""A folder of pages, and a visitor that uses one of the two protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from visitor import Reply, ask_asgi, ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LiveTree


class Site:
    """A folder of pages that is published, and visited by one protocol."""

    def __init__(self, tree: LiveTree, ask: Callable[..., Reply]) -> None:
        self.tree = tree
        self._ask = ask
        self.is_asked_by_asgi = ask is ask_asgi
        self.application: Any = None

    def publish(self, files: dict[str, str], **settings: Any) -> None:
        """Write the pages and publish them."""
        self.tree.write(files)
        self.tree.install()
        self.application = transfuse.publisher(self.tree.root, **settings)

    def get(self, path: str, query: str = "", **more: Any) -> Reply:
        """Ask for a path, decoded as a server decodes it."""
        return self._ask(self.application, path, query, **more)

    def post(self, path: str, body: bytes, content_type: str, query: str = "") -> Reply:
        headers = {"Content-Type": content_type}
        return self._ask(self.application, path, query, method="POST", body=body, headers=headers)


@pytest.fixture(params=[ask_wsgi, ask_asgi], ids=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, tree: LiveTree) -> Site:
    """A folder that is not published yet. Each test runs under both protocols."""
    return Site(tree, request.param)
