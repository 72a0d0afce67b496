"""Starlette and FastAPI: routers, models, dependencies, middleware and templates are live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

import transfuse
from conftest import CAP
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

GONE = 404

STARLETTE = {
    "shop/__init__.py": "",
    "shop/app.py": """
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.routing import Mount
        from shop import goods
        from shop.stamp import Stamp

        app = Starlette(
            routes=[Mount("/goods", routes=goods.routes, name="goods")],
            middleware=[Middleware(Stamp)],
        )
        """,
    "shop/stamp.py": """
        MARK = b"one"

        class Stamp:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                async def stamped(message):
                    if message["type"] == "http.response.start":
                        message["headers"].append((b"x-stamp", MARK))
                    await send(message)
                await self.app(scope, receive, stamped)
        """,
    "shop/prices.py": "def price(name): return len(name)",
    "shop/goods.py": """
        from pathlib import Path
        from starlette.responses import PlainTextResponse, StreamingResponse
        from starlette.routing import Route
        from starlette.templating import Jinja2Templates
        from shop.prices import price

        templates = Jinja2Templates(Path(__file__).parent / "templates")

        async def page(request):
            name = request.path_params["name"]
            return templates.TemplateResponse(request, "page.html", {"name": name})

        def one(request):
            name = request.path_params["name"]
            page = request.url_for("goods:page", name=name).path
            return PlainTextResponse(f"{name} {price(name)} {page}")

        routes = [Route("/{name}", one), Route("/{name}/page", page, name="page")]
        """,
    "shop/templates/page.html": "All about {{ name }}",
}

FASTAPI = {
    "shop/__init__.py": "",
    "shop/app.py": """
        from contextlib import asynccontextmanager
        from fastapi import FastAPI
        from shop.routers import basket, goods

        @asynccontextmanager
        async def lifespan(app):
            yield {"opened": "main"}

        app = FastAPI(lifespan=lifespan)
        app.include_router(goods.router, prefix="/goods")
        app.include_router(basket.router)
        """,
    "shop/schemas.py": """
        from pydantic import BaseModel

        class Item(BaseModel):
            name: str
            count: int = 1

        class Total(BaseModel):
            pence: int
        """,
    "shop/prices.py": "def price(name): return len(name)",
    "shop/needs.py": """
        from fastapi import Header, HTTPException

        async def customer(x_customer: str = Header("nobody")):
            if x_customer == "thief":
                raise HTTPException(403, "not you")
            return x_customer
        """,
    "shop/routers/__init__.py": "",
    "shop/routers/goods.py": """
        from fastapi import APIRouter, Request
        from shop.prices import price

        router = APIRouter(tags=["goods"])

        @router.get("/{name}")
        def one(name: str):
            return {"name": name, "price": price(name)}

        @router.get("/")
        async def state(request: Request):
            return request.state.opened
        """,
    "shop/routers/basket.py": """
        from fastapi import APIRouter, Depends
        from shop.needs import customer
        from shop.prices import price
        from shop.schemas import Item, Total

        router = APIRouter()

        @router.post("/basket", response_model=Total)
        async def total(items: list[Item], who: str = Depends(customer)):
            return Total(pence=sum(price(item.name) * item.count for item in items))
        """,
}


class Site:
    """An application, served; what it answers and how it is edited."""

    def __init__(self, tree: LiveTree, client: TestClient, files: dict[str, str]) -> None:
        self.tree = tree
        self.client = client
        self.files = files

    def get(self, path: str) -> Any:
        """The body of an answer, or the status of one that is not 200."""
        answer = self.client.get(path)
        if answer.status_code != 200:
            return answer.status_code
        is_json = answer.headers["content-type"] == "application/json"
        return answer.json() if is_json else answer.text

    def basket(self, *items: dict[str, Any], who: str = "me") -> Any:
        answer = self.client.post("/basket", json=items, headers={"x-customer": who})
        return answer.json() if answer.status_code == 200 else answer.status_code

    def write(self, changes: dict[str, tuple[str, str]]) -> None:
        """Replace text in files."""
        for name, (old, new) in changes.items():
            path = self.tree.root / name
            source = path.read_text(encoding="utf-8")
            assert old in source
            path.write_text(source.replace(old, new), encoding="utf-8")

    def change(self, changes: dict[str, tuple[str, str]]) -> list[str]:
        """Replace text in files and update; the modules that were run."""
        self.write(changes)
        return [each.name for each in self.tree.published().ran]


@pytest.fixture
def starlette(tree: LiveTree) -> Iterator[Site]:
    tree.write(STARLETTE)
    tree.install()
    with TestClient(transfuse.asgi("shop.app:app")) as client:
        yield Site(tree, client, STARLETTE)


@pytest.fixture
def fastapi(tree: LiveTree) -> Iterator[Site]:
    tree.write(FASTAPI)
    tree.install()
    with TestClient(transfuse.asgi("shop.app:app")) as client:
        yield Site(tree, client, FASTAPI)


def test_starlette_a_route_is_added_changed_and_removed(starlette: Site) -> None:
    goods = "shop/goods.py"
    assert starlette.get("/goods/tea/from") == GONE
    routes = 'routes = [Route("/{name}/from", one), '
    starlette.change({goods: ("routes = [", routes)})
    assert starlette.get("/goods/tea/from") == "tea 3 /goods/tea/page"
    starlette.change({goods: ("/from", "/origin")})
    assert (starlette.get("/goods/tea/from"), starlette.get("/goods/tea/origin")) == (
        GONE,
        "tea 3 /goods/tea/page",
    )
    starlette.change({goods: ('Route("/{name}/origin", one), ', "")})
    assert starlette.get("/goods/tea/origin") == GONE
    starlette.change({"shop/app.py": ('"/goods"', '"/wares"')})
    assert (starlette.get("/goods/tea"), starlette.get("/wares/tea")) == (
        GONE,
        "tea 3 /wares/tea/page",
    )


def test_starlette_what_handlers_use_middleware_and_templates(starlette: Site) -> None:
    assert starlette.get("/goods/tea/page") == "All about tea"
    ran = starlette.change({"shop/prices.py": ("len(name)", "10 * len(name)")})
    assert ran == ["shop.prices", "shop.goods", "shop.app"]
    assert starlette.get("/goods/tea") == "tea 30 /goods/tea/page"
    starlette.change({"shop/stamp.py": ('b"one"', 'b"two"')})
    assert starlette.client.get("/goods/tea").headers["x-stamp"] == "two"
    starlette.write({"shop/templates/page.html": ("All about", "More about")})
    assert starlette.tree.published().ran == ()
    assert starlette.get("/goods/tea/page") == "More about tea"


def test_starlette_p2_a_request_on_the_old_code_sees_the_old_routes(starlette: Site) -> None:
    with transfuse.pin("an old request"):
        Worker(
            lambda: starlette.change(
                {
                    "shop/goods.py": ('Route("/{name}", one)', 'Route("/item/{name}", one)'),
                    "shop/app.py": ('Mount("/goods"', 'Mount("/wares"'),
                }
            )
        ).result()
        paths = [route.path for route in transfuse.import_module("shop.app").app.routes]
        assert paths == ["/goods"]
    assert (starlette.get("/goods/tea"), starlette.get("/wares/item/tea")) == (
        GONE,
        "tea 3 /wares/tea/page",
    )


def test_fastapi_a_route_is_added_changed_and_removed(fastapi: Site) -> None:
    goods = "shop/routers/goods.py"
    assert fastapi.get("/goods/tea/stock") == GONE
    added = '@router.get("/{name}/stock")\ndef stock(name: str): return 7\n\n@router.get("/")'
    fastapi.change({goods: ('@router.get("/")', added)})
    assert fastapi.get("/goods/tea/stock") == 7
    fastapi.change({goods: ('/stock")', '/left")')})
    assert (fastapi.get("/goods/tea/stock"), fastapi.get("/goods/tea/left")) == (GONE, 7)
    assert "/goods/{name}/left" in fastapi.get("/openapi.json")["paths"]
    fastapi.change({goods: (added.replace("/stock", "/left"), '@router.get("/")')})
    assert fastapi.get("/goods/tea/left") == GONE
    assert "/goods/{name}/left" not in fastapi.get("/openapi.json")["paths"]


def test_fastapi_a_router_is_added_and_removed(fastapi: Site) -> None:
    fastapi.write(
        {
            "shop/app.py": (
                "app.include_router(basket.router)",
                "from shop.routers import news\napp.include_router(news.router)",
            )
        }
    )
    news = "from fastapi import APIRouter\nrouter = APIRouter()\n"
    news += "@router.get('/news')\nasync def all(): return 'none'\n"
    fastapi.tree.published({"shop/routers/news.py": news})
    assert (fastapi.get("/news"), fastapi.basket({"name": "tea"})) == ("none", GONE)
    fastapi.change({"shop/routers/news.py": ("'none'", "'some'")})
    assert fastapi.get("/news") == "some"
    fastapi.tree.write({"shop/app.py": FASTAPI["shop/app.py"]})
    fastapi.tree.delete("shop/routers/news.py")
    fastapi.tree.published()
    assert (fastapi.get("/news"), fastapi.basket({"name": "tea"})) == (GONE, {"pence": 3})


def test_fastapi_schemas_and_dependencies_are_live(fastapi: Site) -> None:
    tea = {"name": "tea", "count": 2}
    assert (fastapi.basket(tea), fastapi.basket(tea, who="thief")) == ({"pence": 6}, 403)
    fastapi.change({"shop/schemas.py": ("count: int = 1", "count: int = 1\n    gift: bool")})
    assert fastapi.basket(tea) == 422
    assert fastapi.basket(tea | {"gift": True}) == {"pence": 6}
    schemas = fastapi.get("/openapi.json")["components"]["schemas"]
    assert schemas["Item"]["required"] == ["name", "gift"]
    fastapi.change({"shop/needs.py": ('"thief"', '"me"')})
    assert fastapi.basket(tea | {"gift": True}) == 403


def test_fastapi_two_files_together_and_a_broken_edit(fastapi: Site) -> None:
    tea = {"name": "tea"}
    rename = {"shop/schemas.py": ("pence: int", "cents: int")}
    both = rename | {"shop/routers/basket.py": ("Total(pence=", "Total(cents=")}
    fastapi.change(both)
    assert fastapi.basket(tea) == {"cents": 3}
    for name, old, new in [
        ("shop/routers/basket.py", "import Item, Total", "import Item, Totals"),
        ("shop/routers/basket.py", "Depends(customer)", "Depends(customer"),
        ("shop/routers/goods.py", "def one(name: str)", "def one(name: str = Nmae)"),
    ]:
        fastapi.write({name: (old, new)})
        assert fastapi.tree.update().outcome == "refused"
        assert (fastapi.basket(tea), fastapi.get("/goods/tea")["price"]) == ({"cents": 3}, 3)
        fastapi.write({name: (new, old)})


def test_fastapi_each_generation_has_the_state_of_its_own_lifespan(fastapi: Site) -> None:
    assert fastapi.get("/goods/") == "main"
    fastapi.change({"shop/app.py": ('"opened": "main"', '"opened": "side"')})
    assert fastapi.get("/goods/") == "side"
    fastapi.write({"shop/app.py": ("yield {", "raise OSError\n    yield {")})
    report = fastapi.tree.update()
    assert (report.outcome, type(report.error)) == ("refused", OSError)
    assert fastapi.get("/goods/") == "side"


BACKGROUND = {
    "shop/__init__.py": "",
    "shop/app.py": """
        import outside
        from starlette.applications import Starlette
        from starlette.background import BackgroundTask
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route
        from shop import mail

        async def send(number):
            outside.sending.set()
            await outside.go.wait()
            from shop import mail as late
            outside.ran.append((number, mail.SENDER, late.SENDER))

        async def order(request):
            return PlainTextResponse("ordered", background=BackgroundTask(send, 7))

        app = Starlette(routes=[Route("/", order)])
        """,
}


def test_a_background_task_ends_on_the_code_that_it_began_with(
    tree: LiveTree, outside: Any
) -> None:
    """It is part of its request: the pin lasts, and so does the lifespan of its application."""
    tree.write({**BACKGROUND, "shop/mail.py": "SENDER = 1\n"})
    tree.install()
    application: Any = transfuse.asgi("shop.app:app")
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}

    async def story() -> list[Any]:
        outside.sending, outside.go = asyncio.Event(), asyncio.Event()
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message.get("body"))

        request = asyncio.ensure_future(application(dict(scope), receive, send))
        await asyncio.wait_for(outside.sending.wait(), CAP)
        # The response has gone out; the task goes on.
        assert b"ordered" in sent
        await asyncio.to_thread(tree.published, {"shop/mail.py": "SENDER = 2\n"})
        (unit,) = transfuse.status().units
        outside.go.set()
        await request
        return [unit.what, transfuse.status().draining]

    assert asyncio.run(story()) == ["GET /", ()]
    assert outside.ran == [(7, 1, 1)]
