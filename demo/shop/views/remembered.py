"""The memory of the process, and a request that holds its lock."""

from typing import Any

from .. import memory
from ..app import app
from ..witness import answer

EDITION = 1


@app.get("/memory")
def show() -> dict[str, Any]:
    """Show what is remembered."""
    return answer(
        cache=memory.cache,
        lock=id(memory.lock),
        locked=memory.lock.locked(),
        edition=memory.EDITION,
    )


@app.get("/memory/put/<key>/<value>")
def put(key: str, value: str) -> dict[str, Any]:
    """Remember something."""
    memory.cache[key] = value
    return answer()


@app.get("/memory/hold")
def hold() -> dict[str, Any]:
    """Hold the lock until another request says to let go."""
    with memory.lock:
        told = memory.let_go.wait(10)
        return answer(lock=id(memory.lock), edition=memory.EDITION, told=told)


@app.get("/memory/let-go")
def let_go() -> dict[str, Any]:
    """Let the request that holds the lock go on."""
    memory.let_go.set()
    return answer()
