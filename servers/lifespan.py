"""What an ASGI application of a test does as its server begins and ends."""

from __future__ import annotations

# Python source: an application calls this for a scope of the type ``lifespan``.
LIFESPAN = """
async def lifespan(receive, send):
    while True:
        kind = (await receive())["type"]
        await send({"type": kind + ".complete"})
        if kind == "lifespan.shutdown":
            return
"""
