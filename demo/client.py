"""What does the server answer, and is the answer whole?

An answer says which edition of each module made it, and which edition of another each module was
built on (`shop.witness`). From that alone it can be told whether it is all of one generation.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

# How long an answer may take, in seconds.
PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    """A response of the server.

    Attributes:
        status: the HTTP status, such as 200.
        content: what the JSON says; empty unless the status is 200.
        seconds: how long it took.
    """

    status: int
    content: dict[str, Any]
    seconds: float

    @property
    def version(self) -> int:
        """How new the code is that answered: the sum of all editions, which edits only raise."""
        return sum(self.content["editions"].values())

    def mixed(self) -> list[str]:
        """Describe what is mixed in this answer; empty if all of it is of one generation."""
        content = self.content
        found = [
            f"{which}: built on {took}, there is {now}"
            for which, took, now in content["pairs"]
            if took != now
        ]
        if content.get("written") != content.get("understood"):
            found.append(f"coupon written in {content['written']}, read in {content['understood']}")
        if "vat" in content and content["tax"] != content["goods"] * content["vat"] // 100:
            found.append(
                f"tax {content['tax']} on {content['goods']}, at a rate of {content['vat']}"
            )
        if content.get("before", content["editions"]) != content["editions"]:
            found.append(f"began with {content['before']}, ended with {content['editions']}")
        return found


class Client:
    """A connection to the server that is kept alive."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def get(self, path: str) -> Answer:
        """Send a request and return the answer; OSError or HTTPException if there is none."""
        began = time.perf_counter()
        try:
            self._http.request("GET", path)
            response = self._http.getresponse()
            body = response.read()
        except BaseException:
            # The next question gets a new connection.
            self._http.close()
            raise
        seconds = time.perf_counter() - began
        content = json.loads(body) if response.status == 200 else {}
        return Answer(response.status, content, seconds)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
