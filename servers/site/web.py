"""The application, by both protocols; it says which editions of the modules answer.

A request takes a few milliseconds, and imports before and after, so that updates come in its
middle.
"""

import asyncio
import json
import time
from typing import Any

import leaf
import twin

SECONDS = 0.005
NAMES = ("leaf", "twin")


def editions() -> dict[str, int]:
    return {"leaf": leaf.EDITION, "twin": twin.EDITION}


def body(before: dict[str, int]) -> bytes:
    import late  # noqa: PLC0415 - an import in the middle of a request is what is tried here

    pairs = [
        ["leaf and twin", leaf.EDITION, twin.EDITION],
        ["twin of leaf", twin.TOOK, leaf.EDITION],
        ["late of twin", late.TOOK, twin.EDITION],
    ]
    told: dict[str, Any] = {"editions": editions(), "before": before, "pairs": pairs}
    return json.dumps(told).encode()


def wsgi(_environ: Any, start_response: Any) -> list[bytes]:
    before = editions()
    time.sleep(SECONDS)  # what a request takes, so that edits come in the middle of some
    answer = body(before)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", headers)
    return [answer]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    before = editions()
    await asyncio.sleep(SECONDS)
    answer = body(before)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def rsgi(_scope: Any, protocol: Any) -> None:
    before = editions()
    await asyncio.sleep(SECONDS)
    protocol.response_bytes(200, [("content-type", "application/json")], body(before))
