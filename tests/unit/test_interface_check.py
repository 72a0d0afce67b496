"""A target that would fail at each request, or never be updated, is reported at the start."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from transfuse.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree

WEB = """
    import functools
    from unittest.mock import Mock

    def wsgi_app(environ, start_response): ...
    async def asgi_app(scope, receive, send): ...
    async def rsgi_app(scope, protocol): ...
    def create_app(config=None): ...

    class Wsgi:
        def __call__(self, environ, start_response): ...
    class Asgi:
        async def __call__(self, scope, receive, send): ...
    class Both:
        def __call__(self, *arguments): ...
    class Old:
        def __init__(self, scope): ...
    class AlsoRsgi(Asgi):
        async def __rsgi__(self, scope, protocol): ...
    wsgi_object, asgi_object, both, also_rsgi = Wsgi(), Asgi(), Both(), AlsoRsgi()
    method = wsgi_object.__call__
    mock = Mock()

    @functools.wraps(wsgi_app)
    def around(*arguments): ...
    def optional(environ, start_response, more=None): ...
    def returns_awaitable(scope, receive, send): ...
    """


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    tree.write({"shop/__init__.py": "", "shop/web.py": WEB})
    tree.install()
    return tree


@pytest.mark.parametrize(
    ("wrong", "name", "kind", "right"),
    [
        ("asgi", "wsgi_app", "a WSGI", "wsgi"),
        ("asgi", "wsgi_object", "a WSGI", "wsgi"),
        ("asgi", "method", "a WSGI", "wsgi"),
        ("asgi", "rsgi_app", "an RSGI", "rsgi"),
        ("wsgi", "asgi_app", "an ASGI", "asgi"),
        ("wsgi", "asgi_object", "an ASGI", "asgi"),
        ("wsgi", "rsgi_app", "an RSGI", "rsgi"),
        ("rsgi", "asgi_object", "an ASGI", "asgi"),
    ],
)
def test_an_application_of_another_kind_is_refused_with_the_right_call(
    shop: LiveTree,  # noqa: ARG001
    wrong: str,
    name: str,
    kind: str,
    right: str,
) -> None:
    with pytest.raises(TargetError) as caught:
        getattr(transfuse, wrong)(f"shop.web:{name}")
    assert str(caught.value) == (
        f"shop.web:{name} is {kind} application, and each request would fail;"
        f' say transfuse.{right}("shop.web:{name}")'
    )


@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
def test_a_factory_is_refused_with_what_to_write(shop: LiveTree, interface: str) -> None:  # noqa: ARG001
    with pytest.raises(TargetError) as caught:
        getattr(transfuse, interface)("shop.web:create_app")
    assert str(caught.value) == (
        "shop.web:create_app takes no request, so it looks like a factory: write"
        " app = create_app() in its module, and name shop.web:app"
    )


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        *((each, name) for each in ("asgi", "wsgi", "rsgi") for name in ("both", "mock", "around")),
        ("asgi", "optional"),
        ("asgi", "returns_awaitable"),
        ("asgi", "Old"),
        ("wsgi", "Old"),
        ("rsgi", "wsgi_app"),
        ("rsgi", "also_rsgi"),
        ("asgi", "also_rsgi"),
    ],
)
def test_in_doubt_nothing_is_refused(shop: LiveTree, interface: str, name: str) -> None:  # noqa: ARG001
    getattr(transfuse, interface)(f"shop.web:{name}")


def test_an_update_that_makes_it_another_kind_is_refused(shop: LiveTree) -> None:
    transfuse.wsgi("shop.web:wsgi_app")
    report = shop.update({"shop/web.py": "async def wsgi_app(scope, receive, send): ..."})
    assert report.outcome == "refused"
    assert "is an ASGI application" in str(report.error)


def test_dots_for_the_colon(shop: LiveTree) -> None:  # noqa: ARG001
    with pytest.raises(TargetError, match=r"; did you mean 'shop\.web:wsgi_app'\?$"):
        transfuse.wsgi("shop.web.wsgi_app")


def test_a_wsgi_server_that_calls_an_asgi_application_is_told_what_it_has(shop: LiveTree) -> None:  # noqa: ARG001
    application: Any = transfuse.asgi("shop.web:asgi_app")
    with pytest.raises(TypeError, match=r"^transfuse\.asgi\('shop\.web:asgi_app'\) is for ASGI"):
        application({}, lambda *_: None)


def test_a_target_under_no_root_is_served_with_a_warning(
    tree: LiveTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "apart.py"
    file.write_text("def app(environ, start_response): ...\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(file.parent))
    tree.install()
    with caplog.at_level(logging.WARNING, "transfuse"):
        transfuse.wsgi("apart:app")
    assert caplog.messages == [
        f"apart is at {file}, which is under no root, so its edits are not seen;"
        f" name {file.parent} among the roots"
    ]


def test_an_installed_package_counts_as_under_no_root(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inside = "env/site-packages/apart"
    tree.write({f"{inside}/__init__.py": "def app(environ, start_response): ..."})
    monkeypatch.syspath_prepend(str(tree.root / "env/site-packages"))
    tree.install()
    with caplog.at_level(logging.WARNING, "transfuse"):
        transfuse.wsgi("apart")
    assert caplog.messages == [
        f"apart is at {tree.root / inside / '__init__.py'}, which is under no root, so its edits"
        " are not seen; it is installed: import it in a module under a root, and name that"
    ]


def test_a_root_that_is_reached_by_a_link_is_a_root(
    tree: LiveTree, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write({"shop/__init__.py": "", "shop/web.py": WEB})
    (tmp_path / "current").symlink_to(tree.root)
    tree.root = tmp_path / "current"
    tree.install()
    with caplog.at_level(logging.WARNING, "transfuse"):
        transfuse.wsgi("shop.web:wsgi_app")
        transfuse.wsgi("builtins:print")
    assert caplog.messages == []


def test_drain_under_rsgi_is_told_to_do_nothing(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write({"web.py": "async def app(scope, protocol): ..."})
    tree.install(drain=30)
    application: Any = transfuse.rsgi("web:app")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        application.__rsgi_init__(loop)
        await application.__rsgi__(SimpleNamespace(proto="http", method="GET", path="/"), None)
        application.__rsgi_del__(loop)

    with caplog.at_level(logging.WARNING, "transfuse"):
        asyncio.run(story())
    assert caplog.messages == [
        "the setting drain is for ASGI: under RSGI, connections that are left on old code last"
    ]


@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
@pytest.mark.parametrize(
    ("framework", "module", "name"),
    [
        ("aiohttp", "aiohttp.web_app", "Application"),
        ("Tornado", "tornado.web", "Application"),
        ("gRPC", "grpc.aio._server", "Server"),
        ("gRPC", "grpc._server", "_Server"),
    ],
)
def test_an_application_with_a_server_of_its_own_is_refused_with_the_way_in(
    tree: LiveTree, interface: str, framework: str, module: str, name: str
) -> None:
    own = f"""
        kind = type({name!r}, (), {{"__module__": {module!r}}})
        class Shop(kind):
            def __call__(self, request): ...
        app, own = kind(), Shop()
        """
    tree.write({"shop/__init__.py": "", "shop/web.py": own})
    tree.install()
    for target in ("app", "own"):
        with pytest.raises(TargetError) as caught:
            getattr(transfuse, interface)(f"shop.web:{target}")
        assert framework in str(caught.value)
        assert "transfuse.live(" in str(caught.value)
