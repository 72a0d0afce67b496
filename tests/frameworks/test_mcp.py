"""Sessions of an MCP server stay open over an edit; real clients, a real server."""

from __future__ import annotations

import asyncio
import contextlib
import re
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp.server.mcpserver")

from mcp import Client
from mcp.shared.exceptions import MCPError

from support.serving import Project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

TOOLS = """
    from mcp.server.mcpserver import MCPServer
    import prices
    mcp = MCPServer("shop")
    @mcp.tool()
    def price() -> int:
        return prices.PRICE
    {more}
    """
MORE = """@mcp.tool()
    def stock() -> int:
        return 7"""
APP = """
    from starlette.responses import JSONResponse
    from tools import mcp
    @mcp.custom_route("/", ["GET"])
    async def ready(request):
        return JSONResponse({})
    app = mcp.streamable_http_app()
    """


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    (project.folder / "serve.py").write_text(
        "import transfuse\ntransfuse.install()\napplication = transfuse.asgi('web:app')\n"
    )
    project.save({"prices.py": "PRICE = 1\n", "tools.py": TOOLS.format(more=""), "web.py": APP})
    yield project
    project.end()


def serve(project: Project, server: str = "uvicorn") -> None:
    if server == "uvicorn":
        words = ("uvicorn", "--log-level", "warning", "--port", str(project.port))
        project.serve_by(*words, "serve:application")
    else:
        project.serve("--handover", "never")


class Told:
    """What a client is told, and the waiting for it."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def __call__(self, message: Any) -> None:
        self.messages.append(type(getattr(message, "root", message)).__name__)

    async def until(self, name: str, after: int) -> None:
        async def is_told() -> bool:
            return name in self.messages[after:]

        await until(is_told)


@contextlib.asynccontextmanager
async def client(project: Project, mode: str, told: Told) -> AsyncIterator[Client]:
    url = f"http://127.0.0.1:{project.port}/mcp"
    async with Client(url, mode=mode, message_handler=told) as found:
        yield found


async def tools(found: Client) -> list[str]:
    return sorted(one.name for one in (await found.list_tools()).tools)


async def call(found: Client, name: str) -> Any:
    return (await found.call_tool(name, {})).structured_content["result"]


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async def wait() -> None:
        while not await is_so():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(wait(), 30)


@pytest.mark.parametrize("server", ["uvicorn", "transfuse serve"])
def test_p9_a_session_stays_open_over_edits(project: Project, server: str) -> None:
    serve(project, server)

    async def story() -> None:
        told, late = Told(), Told()
        async with client(project, "legacy", told) as first:
            assert (await tools(first), await call(first, "price")) == (["price"], 1)
            project.save({"prices.py": "PRICE = 2\n"})
            await told.until("ToolListChangedNotification", 0)
            assert (await tools(first), await call(first, "price")) == (["price"], 2)
            seen = len(told.messages)
            project.save({"tools.py": TOOLS.format(more=MORE)})
            await told.until("ToolListChangedNotification", seen)
            assert await tools(first) == ["price", "stock"]
            assert await call(first, "stock") == 7
            # One that does not compile changes nothing.
            project.save({"tools.py": "def\n"})
            project.until_logged("SyntaxError")
            assert await call(first, "stock") == 7
            # A new server of MCP altogether, whose first start fails.
            broken = textwrap.dedent(APP) + "1 / 0\n"
            project.save({"tools.py": TOOLS.format(more=MORE), "web.py": broken})
            project.until_logged("ZeroDivisionError")
            assert await call(first, "stock") == 7
            async with client(project, "legacy", late) as second:
                seen = len(late.messages)
                tools_now = {"prices.py": "PRICE = 3\n", "tools.py": TOOLS.format(more="")}
                project.save({"web.py": APP, **tools_now})
                await late.until("ToolListChangedNotification", seen)
                for each in (first, second):
                    assert (await tools(each), await call(each, "price")) == (["price"], 3)
                seen = len(told.messages)
                assert project.type("rollback")[0] == 0
                await told.until("ToolListChangedNotification", seen)
                for each in (first, second):
                    assert await tools(each) == ["price", "stock"]
                    assert await call(each, "stock") == 7

    asyncio.run(story())
    assert not re.search(r"\b404\b", project.log)
    assert "the end of the MCP server" not in project.log


def test_p9_a_client_without_sessions_hears_of_it_by_its_stream(project: Project) -> None:
    serve(project)

    async def story() -> None:
        told = Told()
        async with client(project, "auto", told) as found:
            assert await tools(found) == ["price"]
            async with found.listen(tools_list_changed=True) as events:
                project.save({"tools.py": TOOLS.format(more=MORE)})
                event = await asyncio.wait_for(anext(aiter(events)), 30)
                assert type(event).__name__ == "ToolsListChanged"
                assert await tools(found) == ["price", "stock"]
                assert await call(found, "stock") == 7

    asyncio.run(story())


def test_p9_a_session_that_is_over_is_over(project: Project) -> None:
    serve(project)

    async def story() -> None:
        async with client(project, "legacy", Told()) as found:
            await tools(found)
        async with client(project, "legacy", Told()) as other:
            project.save({"prices.py": "PRICE = 2\n"})

            async def is_new() -> bool:
                return bool(await call(other, "price") == 2)

            await until(is_new)
        with pytest.raises((MCPError, RuntimeError)):
            await found.list_tools()

    asyncio.run(story())
